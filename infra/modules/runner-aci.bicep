// The runner as a confidential container group. Its policy pins the image layer by layer, the
// command and the environment; the policy's SHA-256 is the host data that contracts name.
param location string
param tags object = {}
param name string

@description('By digest: a tag may come to mean something else.')
param image string

@description('Written by az confcom acipolicygen for this very group; in base64.')
@minLength(1)
param confidentialPolicy string
param subnetId string
param identityId string
param identityClientId string

@description('Other directories that are asked, with commas between, and as which application. The policy pins them too.')
param directoryIds string = ''
param applicationId string = ''
param storageUrl string
param serviceBusNamespace string
param cpu int = 2
param memoryInGB int = 8

var always = [
  {
    name: 'AZURE_CLIENT_ID'
    value: identityClientId
  }
  {
    name: 'CLEANROOM_RUNNER_PLATFORM'
    value: 'aci'
  }
  {
    name: 'CLEANROOM_RUNNER_STORAGE_URL'
    value: storageUrl
  }
  {
    name: 'CLEANROOM_RUNNER_SERVICEBUS'
    value: serviceBusNamespace
  }
  {
    name: 'CLEANROOM_RUNNER_DIRECTORY'
    value: tenant().tenantId
  }
]
var elsewhere = empty(directoryIds) ? [] : [
  {
    name: 'CLEANROOM_RUNNER_DIRECTORIES'
    value: directoryIds
  }
  {
    name: 'CLEANROOM_RUNNER_APPLICATION'
    value: applicationId
  }
]

resource containers 'Microsoft.ContainerInstance/containerGroups@2023-05-01' = {
  name: name
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    sku: 'Confidential'
    confidentialComputeProperties: {
      ccePolicy: confidentialPolicy
    }
    osType: 'Linux'
    restartPolicy: 'Always'
    subnetIds: [
      {
        id: subnetId
      }
    ]
    imageRegistryCredentials: [
      {
        server: split(image, '/')[0]
        identity: identityId
      }
    ]
    containers: [
      {
        name: 'runner'
        properties: {
          image: image
          command: [
            '/opt/cleanroom/bin/cleanroom-runner'
            'serve'
          ]
          environmentVariables: concat(always, elsewhere)
          resources: {
            requests: {
              cpu: cpu
              memoryInGB: memoryInGB
            }
          }
          securityContext: {
            allowPrivilegeEscalation: false
            privileged: false
            runAsUser: 65532
            runAsGroup: 65532
            capabilities: {
              drop: [
                'ALL'
              ]
            }
          }
        }
      }
    ]
  }
}

output id string = containers.id
