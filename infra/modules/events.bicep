// The topics: what storage tells, what parties' own systems say, what everybody may hear.
//
// Subscriptions that lead to functions are apart (subscriptions.bicep): Event Grid asks an endpoint
// whether it wants events, so the code must be there first.
param location string
param tags object = {}
param storageAccountName string
param systemTopicName string

@description('Where the control plane tells: contracts, datasets, jobs.')
param topicName string

@description('Where parties own systems publish their words on contracts.')
param partiesTopicName string
param parties array = []
param functionsPrincipalId string

var publisher = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'd5a91429-5739-47e2-a06b-3470a27159e7')
var contributor = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'ba92f5b4-2d11-453d-a403-e96b0029c9fe')

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: storageAccountName
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-01-01' existing = {
  parent: account
  name: 'default'
}

resource deadLetters 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' existing = {
  parent: blobs
  name: 'dead-letters'
}

resource storage 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: systemTopicName
  location: location
  tags: tags
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    source: account.id
    topicType: 'Microsoft.Storage.StorageAccounts'
  }
}

resource cleanroom 'Microsoft.EventGrid/topics@2025-02-15' = {
  name: topicName
  location: location
  tags: tags
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    inputSchema: 'CloudEventSchemaV1_0'
    disableLocalAuth: true
    minimumTlsVersionAllowed: '1.2'
    publicNetworkAccess: 'Enabled'
  }
}

resource inbox 'Microsoft.EventGrid/topics@2025-02-15' = {
  name: partiesTopicName
  location: location
  tags: tags
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    inputSchema: 'CloudEventSchemaV1_0'
    disableLocalAuth: true
    minimumTlsVersionAllowed: '1.2'
    publicNetworkAccess: 'Enabled'
  }
}

resource storageKeepsDeadLetters 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(deadLetters.id, storage.id, contributor)
  scope: deadLetters
  properties: {
    principalId: storage.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: contributor
  }
}

resource inboxKeepsDeadLetters 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(deadLetters.id, inbox.id, contributor)
  scope: deadLetters
  properties: {
    principalId: inbox.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: contributor
  }
}

resource functionsPublish 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(cleanroom.id, functionsPrincipalId, publisher)
  scope: cleanroom
  properties: {
    principalId: functionsPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: publisher
  }
}

resource partiesPublish 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for party in parties: {
  name: guid(inbox.id, party.name, party.principalId, publisher)
  scope: inbox
  properties: {
    principalId: party.principalId
    principalType: party.principalType
    roleDefinitionId: publisher
  }
}]

output systemTopicId string = storage.id
output systemTopicName string = storage.name
output partiesTopicName string = inbox.name
output endpoint string = cleanroom.properties.endpoint
output partiesEndpoint string = inbox.properties.endpoint
