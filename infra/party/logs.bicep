// The party's own record of every use of its keys: the operator cannot write to it.
param location string
param tags object = {}
param name string
param emails array = []

var receivers = [for (address, i) in emails: {
  name: 'mail-${i}'
  emailAddress: address
  useCommonAlertSchema: true
}]

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: 365
    features: {
      disableLocalAuth: true
    }
  }
}

resource told 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: '${name}-told'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'cleanroom'
    enabled: true
    emailReceivers: receivers
  }
}

resource refused 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: '${name}-release-refused'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    description: 'Somebody asked for the room key and did not get it: a runner that is not accepted, or a policy that is out of date.'
    severity: 1
    enabled: true
    autoMitigate: true
    scopes: [
      workspace.id
    ]
    evaluationFrequency: 'PT15M'
    windowSize: 'PT15M'
    // The table is there once the vault has logged something.
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: 'AZKVAuditLogs | where OperationName == "KeyRelease" and HttpStatusCode >= 400'
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

resource changed 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: '${name}-key-changed'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    description: 'A key was made, imported or changed: its release policy may be another one now.'
    severity: 2
    enabled: true
    autoMitigate: true
    scopes: [
      workspace.id
    ]
    evaluationFrequency: 'PT15M'
    windowSize: 'PT15M'
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: 'AZKVAuditLogs | where OperationName in ("KeyCreate", "KeyImport", "KeyUpdate")'
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

output workspaceId string = workspace.id
