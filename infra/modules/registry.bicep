// Where the operator's copy of the runner's image lies. Nobody has to trust it: policies and
// contracts name the image by what it is.
param location string
param tags object = {}

@minLength(5)
@maxLength(50)
param name string
param pullerPrincipalIds array

var pull = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '7f951dda-4ed3-4680-a7ca-43fe172d538d')

resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' = {
  name: name
  location: location
  tags: tags
  sku: {
    name: 'Standard'
  }
  properties: {
    adminUserEnabled: false
    anonymousPullEnabled: false
  }
}

resource pulling 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for id in pullerPrincipalIds: {
  name: guid(registry.id, id, pull)
  scope: registry
  properties: {
    principalId: id
    principalType: 'ServicePrincipal'
    roleDefinitionId: pull
  }
}]

output server string = registry.properties.loginServer
