// One identity for each that acts: what one may do, no other may.
param location string
param tags object = {}
param prefix string

@description('A cluster has two more: its control plane, and what scales the runner.')
param withCluster bool = false

resource functions 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: '${prefix}-functions'
  location: location
  tags: tags
}

resource runner 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: '${prefix}-runner'
  location: location
  tags: tags
}

resource scaler 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = if (withCluster) {
  name: '${prefix}-scaler'
  location: location
  tags: tags
}

resource controlPlane 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = if (withCluster) {
  name: '${prefix}-control-plane'
  location: location
  tags: tags
}

output functionsId string = functions.id
output functionsClientId string = functions.properties.clientId
output functionsPrincipalId string = functions.properties.principalId
output runnerId string = runner.id
output runnerName string = runner.name
output runnerClientId string = runner.properties.clientId
output runnerPrincipalId string = runner.properties.principalId
output scalerName string = '${prefix}-scaler'
output scalerPrincipalId string = withCluster ? scaler.properties.principalId : ''
output controlPlaneName string = '${prefix}-control-plane'
