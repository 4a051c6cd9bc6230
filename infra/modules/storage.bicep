// The account that all parties see: contracts, receipts, sealed files, sealed results.
//
// Nothing in it is secret from whoever may read it, and nothing is believed because it lies here.
// What the account adds is that old versions of contracts and receipts cannot be taken away.
param location string
param tags object = {}

@minLength(3)
@maxLength(24)
param name string

@description('Each has a container of its own, datasets-NAME, and reads what is for all.')
param parties array = []
param privateNetwork bool = true
param addressRanges array = []
param functionsPrincipalId string
param runnerPrincipalId string
param workspaceId string

@description('For how many days a version in rooms can neither be changed nor deleted.')
@minValue(1)
param immutabilityDays int = 365
param retentionDays int = 30

var reader = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1')
var contributor = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'ba92f5b4-2d11-453d-a403-e96b0029c9fe')
var delegator = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'db58b8e5-c6ad-4a2a-8342-4190687cbf4a')
var closed = privateNetwork && empty(addressRanges)

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: 'Standard_ZRS'
  }
  properties: {
    accessTier: 'Hot'
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
      // Event Grid writes dead letters as a trusted service.
      bypass: 'AzureServices'
      defaultAction: privateNetwork ? 'Deny' : 'Allow'
      ipRules: [for range in addressRanges: {
        value: range
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
    changeFeed: {
      enabled: true
      retentionInDays: 90
    }
    deleteRetentionPolicy: {
      enabled: true
      days: retentionDays
    }
    containerDeleteRetentionPolicy: {
      enabled: true
      days: retentionDays
    }
  }
}

resource rooms 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' = {
  parent: blobs
  name: 'rooms'
  properties: {
    publicAccess: 'None'
    immutableStorageWithVersioning: {
      enabled: true
    }
  }
}

// Unlocked: whoever runs the account can still shorten it. Locking is for ever, and so a command of
// its own in the guide, for when the parties have agreed on it.
resource kept 'Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies@2025-01-01' = {
  parent: rooms
  name: 'default'
  properties: {
    immutabilityPeriodSinceCreationInDays: immutabilityDays
  }
}

resource control 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' = {
  parent: blobs
  name: 'control'
  properties: {
    publicAccess: 'None'
  }
}

resource datasets 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' = {
  parent: blobs
  name: 'datasets'
  properties: {
    publicAccess: 'None'
  }
}

resource results 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' = {
  parent: blobs
  name: 'results'
  properties: {
    publicAccess: 'None'
  }
}

resource deadLetters 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' = {
  parent: blobs
  name: 'dead-letters'
  properties: {
    publicAccess: 'None'
  }
}

resource drops 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' = [for party in parties: {
  parent: blobs
  name: 'datasets-${party.name}'
  properties: {
    publicAccess: 'None'
  }
}]

resource functionsWriteRooms 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(rooms.id, functionsPrincipalId, contributor)
  scope: rooms
  properties: {
    principalId: functionsPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: contributor
  }
}

resource functionsWriteControl 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(control.id, functionsPrincipalId, contributor)
  scope: control
  properties: {
    principalId: functionsPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: contributor
  }
}

resource functionsReadDatasets 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(datasets.id, functionsPrincipalId, reader)
  scope: datasets
  properties: {
    principalId: functionsPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: reader
  }
}

// A link to a result is worth what its signer may do.
resource functionsReadResults 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(results.id, functionsPrincipalId, reader)
  scope: results
  properties: {
    principalId: functionsPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: reader
  }
}

resource functionsSignLinks 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, functionsPrincipalId, delegator)
  scope: account
  properties: {
    principalId: functionsPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: delegator
  }
}

resource functionsReadDrops 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (party, i) in parties: {
  name: guid(account.id, party.name, functionsPrincipalId, reader)
  scope: drops[i]
  properties: {
    principalId: functionsPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: reader
  }
}]

resource runnerWritesRooms 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(rooms.id, runnerPrincipalId, contributor)
  scope: rooms
  properties: {
    principalId: runnerPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: contributor
  }
}

resource runnerWritesResults 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(results.id, runnerPrincipalId, contributor)
  scope: results
  properties: {
    principalId: runnerPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: contributor
  }
}

resource runnerReadsDatasets 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(datasets.id, runnerPrincipalId, reader)
  scope: datasets
  properties: {
    principalId: runnerPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: reader
  }
}

resource runnerReadsDrops 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (party, i) in parties: {
  name: guid(account.id, party.name, runnerPrincipalId, reader)
  scope: drops[i]
  properties: {
    principalId: runnerPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: reader
  }
}]

resource partyWritesDrop 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (party, i) in parties: {
  name: guid(account.id, party.name, party.principalId, contributor)
  scope: drops[i]
  properties: {
    principalId: party.principalId
    principalType: party.principalType
    roleDefinitionId: contributor
  }
}]

resource partyReadsRooms 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for party in parties: {
  name: guid(rooms.id, party.name, party.principalId, reader)
  scope: rooms
  properties: {
    principalId: party.principalId
    principalType: party.principalType
    roleDefinitionId: reader
  }
}]

resource partyReadsResults 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for party in parties: {
  name: guid(results.id, party.name, party.principalId, reader)
  scope: results
  properties: {
    principalId: party.principalId
    principalType: party.principalType
    roleDefinitionId: reader
  }
}]

resource log 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'reads-and-writes'
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

output id string = account.id
output name string = account.name
output blobServiceUri string = 'https://${account.name}.blob.${environment().suffixes.storage}'
