// What somebody must hear of: jobs that nobody could take, jobs that nobody takes, events that went
// nowhere, rooms that cannot be looked at. No alert holds content: there is none to hold.
param location string
param tags object = {}
param name string
param emails array = []
param serviceBusId string
param systemTopicId string
param storageId string
param componentId string

var receivers = [for (address, i) in emails: {
  name: 'mail-${i}'
  emailAddress: address
  useCommonAlertSchema: true
}]
var metrics = [
  {
    name: 'dead-letters'
    text: 'A message could not be delivered: a job has ended as failed, or an outcome is not recorded.'
    scope: serviceBusId
    namespace: 'Microsoft.ServiceBus/namespaces'
    metric: 'DeadletteredMessages'
    aggregation: 'Maximum'
    threshold: 0
    window: 'PT15M'
    severity: 1
    dimensions: [
      {
        name: 'EntityName'
        operator: 'Include'
        values: [
          'jobs'
          'outcomes'
        ]
      }
    ]
  }
  {
    name: 'jobs-wait'
    text: 'Jobs have waited for an hour: there is no runner, or no vault releases its key.'
    scope: serviceBusId
    namespace: 'Microsoft.ServiceBus/namespaces'
    metric: 'ActiveMessages'
    aggregation: 'Minimum'
    threshold: 0
    window: 'PT1H'
    severity: 2
    dimensions: [
      {
        name: 'EntityName'
        operator: 'Include'
        values: [
          'jobs'
        ]
      }
    ]
  }
  {
    name: 'events-lost'
    text: 'An event of the storage account did not reach the functions. The sweep will see to it; find out why.'
    scope: systemTopicId
    namespace: 'Microsoft.EventGrid/systemTopics'
    metric: 'DeadLetteredCount'
    aggregation: 'Total'
    threshold: 0
    window: 'PT15M'
    severity: 2
    dimensions: []
  }
  {
    name: 'storage-unavailable'
    text: 'The storage account refuses or fails: availability is under 99 per cent.'
    scope: storageId
    namespace: 'Microsoft.Storage/storageAccounts'
    metric: 'Availability'
    aggregation: 'Average'
    threshold: 99
    window: 'PT15M'
    severity: 2
    dimensions: []
  }
]

resource told 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'told-${name}'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'cleanroom'
    enabled: true
    emailReceivers: receivers
  }
}

resource byMetric 'Microsoft.Insights/metricAlerts@2018-03-01' = [for each in metrics: {
  name: '${each.name}-${name}'
  location: 'global'
  tags: tags
  properties: {
    description: each.text
    severity: each.severity
    enabled: true
    autoMitigate: true
    scopes: [
      each.scope
    ]
    evaluationFrequency: 'PT5M'
    windowSize: each.window
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          name: each.name
          criterionType: 'StaticThresholdCriterion'
          metricNamespace: each.namespace
          metricName: each.metric
          operator: each.metric == 'Availability' ? 'LessThan' : 'GreaterThan'
          threshold: each.threshold
          timeAggregation: each.aggregation
          dimensions: each.dimensions
        }
      ]
    }
    actions: [
      {
        actionGroupId: told.id
      }
    ]
  }
}]

resource rooms 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: 'rooms-fail-${name}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    description: 'A room could not be looked at, or an outcome was refused: see the code in the log.'
    severity: 2
    enabled: true
    autoMitigate: true
    scopes: [
      componentId
    ]
    evaluationFrequency: 'PT15M'
    windowSize: 'PT15M'
    criteria: {
      allOf: [
        {
          query: 'traces | where message startswith "room.failed" or message startswith "outcome.refused"'
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
        }
      ]
    }
    actions: {
      actionGroups: [
        told.id
      ]
    }
  }
}
