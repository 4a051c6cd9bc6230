// The queue of jobs and the topic of outcomes. A message is a hint: whoever forges one changes nothing
// but when an approved contract runs.
//
// Duplicate detection and sessions cannot be changed later: they are right from the beginning.
param location string
param tags object = {}
param name string

@description('Each has a subscription of its own to the outcomes.')
param parties array = []

@description('Private endpoints exist with Premium only.')
param privateNetwork bool = true
param functionsPrincipalId string
param runnerPrincipalId string

@description('What scales a cluster by the length of the queue; none without a cluster.')
param scalerPrincipalId string = ''
param workspaceId string

var sender = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '69a216fc-b8fb-44d8-bc22-1f3c2cd27a39')
var receiver = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0')
var plan = privateNetwork ? 'Premium' : 'Standard'

resource namespace 'Microsoft.ServiceBus/namespaces@2024-01-01' = {
  name: name
  location: location
  tags: tags
  sku: {
    name: plan
    tier: plan
    capacity: privateNetwork ? 1 : null
  }
  properties: {
    disableLocalAuth: true
    minimumTlsVersion: '1.2'
    publicNetworkAccess: privateNetwork ? 'Disabled' : 'Enabled'
    premiumMessagingPartitions: privateNetwork ? 1 : null
  }
}

resource jobs 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' = {
  parent: namespace
  name: 'jobs'
  properties: {
    deadLetteringOnMessageExpiration: true
    defaultMessageTimeToLive: 'P14D'
    duplicateDetectionHistoryTimeWindow: 'PT1H'
    lockDuration: 'PT5M'
    maxDeliveryCount: 10
    requiresDuplicateDetection: true
    requiresSession: false
  }
}

resource outcomes 'Microsoft.ServiceBus/namespaces/topics@2024-01-01' = {
  parent: namespace
  name: 'outcomes'
  properties: {
    defaultMessageTimeToLive: 'P14D'
    duplicateDetectionHistoryTimeWindow: 'PT1H'
    requiresDuplicateDetection: true
  }
}

resource toFunctions 'Microsoft.ServiceBus/namespaces/topics/subscriptions@2024-01-01' = {
  parent: outcomes
  name: 'functions'
  properties: {
    deadLetteringOnMessageExpiration: true
    defaultMessageTimeToLive: 'P14D'
    lockDuration: 'PT1M'
    maxDeliveryCount: 10
    requiresSession: false
  }
}

// A party that does not listen loses outcomes after a week; storage still has them all.
resource toParties 'Microsoft.ServiceBus/namespaces/topics/subscriptions@2024-01-01' = [for party in parties: {
  parent: outcomes
  name: 'party-${party.name}'
  properties: {
    deadLetteringOnMessageExpiration: false
    defaultMessageTimeToLive: 'P7D'
    lockDuration: 'PT1M'
    maxDeliveryCount: 10
    requiresSession: false
  }
}]

resource functionsSendJobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(jobs.id, functionsPrincipalId, sender)
  scope: jobs
  properties: {
    principalId: functionsPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: sender
  }
}

// For its dead letters, which have no scope of their own.
resource functionsReceiveJobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(jobs.id, functionsPrincipalId, receiver)
  scope: jobs
  properties: {
    principalId: functionsPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: receiver
  }
}

resource functionsReceiveOutcomes 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(toFunctions.id, functionsPrincipalId, receiver)
  scope: toFunctions
  properties: {
    principalId: functionsPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: receiver
  }
}

resource runnerReceivesJobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(jobs.id, runnerPrincipalId, receiver)
  scope: jobs
  properties: {
    principalId: runnerPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: receiver
  }
}

resource runnerSendsOutcomes 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(outcomes.id, runnerPrincipalId, sender)
  scope: outcomes
  properties: {
    principalId: runnerPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: sender
  }
}

resource scalerCountsJobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(scalerPrincipalId)) {
  name: guid(jobs.id, scalerPrincipalId, receiver)
  scope: jobs
  properties: {
    principalId: scalerPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: receiver
  }
}

resource partyReceivesOutcomes 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (party, i) in parties: {
  name: guid(outcomes.id, party.name, party.principalId, receiver)
  scope: toParties[i]
  properties: {
    principalId: party.principalId
    principalType: party.principalType
    roleDefinitionId: receiver
  }
}]

resource log 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'operations'
  scope: namespace
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'OperationalLogs'
        enabled: true
      }
    ]
    metrics: [
      {
        category: 'AllMetrics'
        enabled: true
      }
    ]
  }
}

output id string = namespace.id
output fullyQualifiedNamespace string = '${namespace.name}.servicebus.windows.net'
