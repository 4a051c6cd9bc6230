// The vault: a key for each room, which leaves it only for a runner that its policy accepts; and a
// signing and a reader key, which never leave it. Names and kinds are those of `cleanroom init`.
param location string
param tags object = {}
param name string
param rooms array
param runnerPrincipalId string
param administratorPrincipalId string
param administratorType string
param subnetIds array = []
param addressRanges array = []
param workspaceId string

var releaseUser = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '08bbd89e-9f13-488c-ac41-acfcb10c90ab')
var officer = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '14b46e9e-c2b7-41b4-b07b-48a6ebf60603')
var closed = empty(subnetIds) && empty(addressRanges)

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: {
      family: 'A'
      name: 'premium'
    }
    enableRbacAuthorization: true
    enableSoftDelete: true
    enablePurgeProtection: true
    softDeleteRetentionInDays: 90
    enabledForDeployment: false
    enabledForDiskEncryption: false
    enabledForTemplateDeployment: false
    publicNetworkAccess: closed ? 'Disabled' : 'Enabled'
    networkAcls: {
      bypass: 'None'
      defaultAction: 'Deny'
      ipRules: [for range in addressRanges: {
        value: range
      }]
      virtualNetworkRules: [for id in subnetIds: {
        id: id
        // The subnet may be in a directory that this one cannot look into.
        ignoreMissingVnetServiceEndpoint: true
      }]
    }
  }
}

resource roomKeys 'Microsoft.KeyVault/vaults/keys@2024-11-01' = [for room in rooms: {
  parent: vault
  name: 'room-${room.name}'
  properties: {
    kty: 'RSA-HSM'
    keySize: 3072
    keyOps: [
      'unwrapKey'
      'wrapKey'
    ]
    attributes: {
      enabled: true
      exportable: true
    }
    release_policy: {
      contentType: 'application/json; charset=utf-8'
      data: room.releasePolicy
    }
  }
}]

resource reader 'Microsoft.KeyVault/vaults/keys@2024-11-01' = {
  parent: vault
  name: 'reader'
  properties: {
    kty: 'RSA-HSM'
    keySize: 3072
    keyOps: [
      'unwrapKey'
      'wrapKey'
    ]
    attributes: {
      enabled: true
      exportable: false
    }
  }
}

resource signing 'Microsoft.KeyVault/vaults/keys@2024-11-01' = {
  parent: vault
  name: 'signing'
  properties: {
    kty: 'EC-HSM'
    curveName: 'P-256'
    keyOps: [
      'sign'
      'verify'
    ]
    attributes: {
      enabled: true
      exportable: false
    }
  }
}

// The kill switch: without this assignment no key is released, whatever its policy says.
resource release 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (room, i) in rooms: {
  name: guid(vault.id, room.name, runnerPrincipalId, releaseUser)
  scope: roomKeys[i]
  properties: {
    principalId: runnerPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: releaseUser
  }
}]

resource administration 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, administratorPrincipalId, officer)
  scope: vault
  properties: {
    principalId: administratorPrincipalId
    principalType: administratorType
    roleDefinitionId: officer
  }
}

resource log 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'every-use'
  scope: vault
  properties: {
    workspaceId: workspaceId
    logAnalyticsDestinationType: 'Dedicated'
    logs: [
      {
        category: 'AuditEvent'
        enabled: true
      }
    ]
  }
}

output url string = vault.properties.vaultUri
