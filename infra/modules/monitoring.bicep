// Where the control plane's logs and traces go: names, codes and numbers, never content.
param location string
param tags object = {}
param workspaceName string
param componentName string
param publisherPrincipalIds array = []

var metricsPublisher = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '3913510d-42f4-4e42-8a64-420c390055eb')

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' = {
  name: workspaceName
  location: location
  tags: tags
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: 90
    features: {
      disableLocalAuth: true
    }
  }
}

resource component 'Microsoft.Insights/components@2020-02-02' = {
  name: componentName
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    DisableLocalAuth: true
  }
}

resource publishing 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for id in publisherPrincipalIds: {
  name: guid(component.id, id, metricsPublisher)
  scope: component
  properties: {
    principalId: id
    principalType: 'ServicePrincipal'
    roleDefinitionId: metricsPublisher
  }
}]

output workspaceId string = workspace.id
output componentId string = component.id
output connectionString string = component.properties.ConnectionString
