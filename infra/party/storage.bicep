// The party's own account for sealed files. It need not be: sealed files may lie anywhere.
param location string
param tags object = {}

@minLength(3)
@maxLength(24)
param name string
param runnerPrincipalId string
param functionsPrincipalId string
param administratorPrincipalId string
param administratorType string
param runnerSubnetIds array = []
param functionsSubnetIds array = []
param addressRanges array = []
param workspaceId string

var reader = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1')
var contributor = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'ba92f5b4-2d11-453d-a403-e96b0029c9fe')
var readers = [
  runnerPrincipalId
  functionsPrincipalId
]
var subnetIds = concat(runnerSubnetIds, functionsSubnetIds)
var closed = empty(subnetIds) && empty(addressRanges)

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: 'Standard_ZRS'
  }
  properties: {
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    allowedCopyScope: 'AAD'
    defaultToOAuthAuthentication: true
    isLocalUserEnabled: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: closed ? 'Disabled' : 'Enabled'
    networkAcls: {
      bypass: 'None'
      defaultAction: 'Deny'
      ipRules: [for range in addressRanges: {
        value: range
        action: 'Allow'
      }]
      virtualNetworkRules: [for id in subnetIds: {
        id: id
        action: 'Allow'
      }]
    }
    encryption: {
      keySource: 'Microsoft.Storage'
      requireInfrastructureEncryption: true
      services: {
        blob: {
          enabled: true
          keyType: 'Account'
        }
      }
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-01-01' = {
  parent: account
  name: 'default'
  properties: {
    isVersioningEnabled: true
    deleteRetentionPolicy: {
      enabled: true
      days: 30
    }
    containerDeleteRetentionPolicy: {
      enabled: true
      days: 30
    }
  }
}

resource datasets 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' = {
  parent: blobs
  name: 'datasets'
  properties: {
    publicAccess: 'None'
  }
}

resource reading 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for id in readers: {
  name: guid(datasets.id, id, reader)
  scope: datasets
  properties: {
    principalId: id
    principalType: 'ServicePrincipal'
    roleDefinitionId: reader
  }
}]

resource dropping 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(datasets.id, administratorPrincipalId, contributor)
  scope: datasets
  properties: {
    principalId: administratorPrincipalId
    principalType: administratorType
    roleDefinitionId: contributor
  }
}

resource log 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'every-access'
  scope: blobs
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'StorageRead'
        enabled: true
      }
      {
        category: 'StorageWrite'
        enabled: true
      }
      {
        category: 'StorageDelete'
        enabled: true
      }
    ]
  }
}

output datasetsUrl string = 'https://${account.name}.blob.${environment().suffixes.storage}/${datasets.name}'
