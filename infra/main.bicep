// The operator's deployment: everything but keys, data and the right to open it.
//
// No party's vault, key or policy is here, and nothing here can change one: parties deploy
// party/main.bicep, in their own subscriptions. README.md says what each platform proves.
targetScope = 'subscription'

@description('The name of the environment; azd names the resource group after it.')
@minLength(1)
@maxLength(32)
param environmentName string

@description('Where everything is; confidential machines are not in every region.')
@minLength(1)
@metadata({
  azd: {
    type: 'location'
  }
})
param location string

@description('Parties: name as in contracts, object id of whoever acts for it, and its principalType.')
param parties array = []

@description('Private endpoints, no public access, Service Bus Premium. Without: public endpoints, Entra only.')
param privateNetwork bool = true

@description('Public addresses from which parties reach the storage account in spite of that.')
param partyAddressRanges array = []

@description('Client id of the app registration whose tokens the API takes.')
param apiClientId string

@description('Other directories (tenants) in which parties have their vaults and accounts; at most 64.')
@maxLength(64)
param partyDirectoryIds array = []

@description('For those: client ids of the applications that trust the identities of the runner and of the functions.')
param runnerApplicationId string = ''
param functionsApplicationId string = ''

@description('Event subscriptions can be made once the code is there: false at first, then true.')
param functionsDeployed bool = false

@description('Where runners run; none is for a first look at the control plane.')
@allowed([
  'none'
  'vm'
  'scale-set'
  'aci'
  'aks'
])
param runnerPlatform string = 'none'

@description('The version of the measured image in a gallery. Required for machines that prove which code they run.')
param runnerImageId string = ''

@description('A stock image with cloud-init instead. It proves a genuine machine, and not its code: never in production.')
param allowStockImage bool = false

@description('For the stock image: who may come in, through a bastion. The measured image has no users.')
param sshPublicKey string = ''

@description('For the stock image: where its root is, as image/build.sh makes it, and the SHA-256 of that file.')
param stockRootUrl string = ''
param stockRootDigest string = ''

@description('The size of confidential machines.')
param runnerVmSize string = 'Standard_DC4as_v5'

@description('Most machines of a scale set.')
@minValue(1)
@maxValue(50)
param runnerMaximum int = 4

@description('The image of the container, by digest: NAME.azurecr.io/cleanroom-runner@sha256:...')
param containerImage string = ''

@description('The policy of the confidential container group, in base64. Its SHA-256 is the host data that contracts name.')
param confidentialPolicy string = ''

@description('Groups of the directory that administer the cluster.')
param clusterAdminGroupIds array = []

@description('Who is told by mail when something is wrong.')
param alertEmails array = []

@description('What a month may cost before somebody is told, in the currency of the bill; 0 for no budget.')
param monthlyBudget int = 0

@description('The first day of the month in which the budget begins.')
param budgetStart string = utcNow('yyyy-MM-01')

var abbreviations = loadJsonContent('abbreviations.json')
var token = toLower(uniqueString(subscription().id, environmentName, location))
var tags = {
  'azd-env-name': environmentName
}
var onContainers = runnerPlatform == 'aci' || runnerPlatform == 'aks'
var machineImageId = allowStockImage ? 'stock' : runnerImageId
// As the code reads them: nothing here says who may do what, parties do (party/main.bicep).
var directoryIds = join(partyDirectoryIds, ',')
// Azure wants to know whom to tell.
var budgeted = monthlyBudget > 0 && !empty(alertEmails)

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: '${abbreviations.resourceGroups}${environmentName}'
  location: location
  tags: tags
}

module identities 'modules/identities.bicep' = {
  name: 'identities'
  scope: group
  params: {
    location: location
    tags: tags
    prefix: '${abbreviations.identities}${token}'
    withCluster: runnerPlatform == 'aks'
  }
}

module network 'modules/network.bicep' = {
  name: 'network'
  scope: group
  params: {
    location: location
    tags: tags
    name: '${abbreviations.networks}${token}'
    privateNetwork: privateNetwork
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    location: location
    tags: tags
    workspaceName: '${abbreviations.workspaces}${token}'
    componentName: '${abbreviations.insightsComponents}${token}'
    publisherPrincipalIds: [
      identities.outputs.functionsPrincipalId
    ]
  }
}

module hostStorage 'modules/host-storage.bicep' = {
  name: 'host-storage'
  scope: group
  params: {
    location: location
    tags: tags
    name: '${abbreviations.storageAccounts}host${token}'
    privateNetwork: privateNetwork
    functionsPrincipalId: identities.outputs.functionsPrincipalId
  }
}

module storage 'modules/storage.bicep' = {
  name: 'storage'
  scope: group
  params: {
    location: location
    tags: tags
    name: '${abbreviations.storageAccounts}data${token}'
    parties: parties
    privateNetwork: privateNetwork
    addressRanges: partyAddressRanges
    functionsPrincipalId: identities.outputs.functionsPrincipalId
    runnerPrincipalId: identities.outputs.runnerPrincipalId
    workspaceId: monitoring.outputs.workspaceId
  }
}

module serviceBus 'modules/servicebus.bicep' = {
  name: 'servicebus'
  scope: group
  params: {
    location: location
    tags: tags
    name: '${abbreviations.serviceBusNamespaces}${token}'
    parties: parties
    privateNetwork: privateNetwork
    functionsPrincipalId: identities.outputs.functionsPrincipalId
    runnerPrincipalId: identities.outputs.runnerPrincipalId
    scalerPrincipalId: identities.outputs.scalerPrincipalId
    workspaceId: monitoring.outputs.workspaceId
  }
}

module events 'modules/events.bicep' = {
  name: 'events'
  scope: group
  params: {
    location: location
    tags: tags
    storageAccountName: storage.outputs.name
    systemTopicName: '${abbreviations.eventGridSystemTopics}${token}'
    topicName: '${abbreviations.eventGridTopics}cleanroom-${token}'
    partiesTopicName: '${abbreviations.eventGridTopics}parties-${token}'
    parties: parties
    functionsPrincipalId: identities.outputs.functionsPrincipalId
  }
}

module functions 'modules/functions.bicep' = {
  name: 'functions'
  scope: group
  params: {
    location: location
    tags: tags
    name: '${abbreviations.webSites}${token}'
    planName: '${abbreviations.webServerFarms}${token}'
    identityId: identities.outputs.functionsId
    identityClientId: identities.outputs.functionsClientId
    hostStorageName: hostStorage.outputs.name
    deploymentContainer: hostStorage.outputs.deploymentContainer
    connectionString: monitoring.outputs.connectionString
    subnetId: network.outputs.functionsSubnetId
    workspaceId: monitoring.outputs.workspaceId
    settings: {
      CLEANROOM_STORAGE__blobServiceUri: storage.outputs.blobServiceUri
      CLEANROOM_BUS__fullyQualifiedNamespace: serviceBus.outputs.fullyQualifiedNamespace
      CLEANROOM_BUS__credential: 'managedidentity'
      CLEANROOM_BUS__clientId: identities.outputs.functionsClientId
      CLEANROOM_EVENTS_ENDPOINT: events.outputs.endpoint
      CLEANROOM_API_ISSUER: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
      CLEANROOM_API_AUDIENCE: apiClientId
      CLEANROOM_DIRECTORY: tenant().tenantId
      CLEANROOM_DIRECTORIES: directoryIds
      CLEANROOM_APPLICATION: functionsApplicationId
    }
  }
}

module subscriptions 'modules/subscriptions.bicep' = if (functionsDeployed) {
  name: 'subscriptions'
  scope: group
  params: {
    functionAppName: functions.outputs.name
    storageAccountName: storage.outputs.name
    systemTopicName: events.outputs.systemTopicName
    partiesTopicName: events.outputs.partiesTopicName
  }
}

module endpoints 'modules/private-endpoints.bicep' = if (privateNetwork) {
  name: 'private-endpoints'
  scope: group
  params: {
    location: location
    tags: tags
    networkId: network.outputs.id
    subnetId: network.outputs.endpointsSubnetId
    storageId: storage.outputs.id
    hostStorageId: hostStorage.outputs.id
    serviceBusId: serviceBus.outputs.id
  }
}

module machine 'modules/runner-vm.bicep' = if (runnerPlatform == 'vm') {
  name: 'runner-vm'
  scope: group
  params: {
    location: location
    tags: tags
    name: '${abbreviations.virtualMachines}${token}'
    vmSize: runnerVmSize
    subnetId: network.outputs.runnerSubnetId
    identityId: identities.outputs.runnerId
    identityClientId: identities.outputs.runnerClientId
    directoryIds: directoryIds
    applicationId: runnerApplicationId
    imageId: machineImageId
    sshPublicKey: sshPublicKey
    rootUrl: stockRootUrl
    rootDigest: stockRootDigest
    storageUrl: storage.outputs.blobServiceUri
    serviceBusNamespace: serviceBus.outputs.fullyQualifiedNamespace
  }
}

module machines 'modules/runner-vmss.bicep' = if (runnerPlatform == 'scale-set') {
  name: 'runner-vmss'
  scope: group
  params: {
    location: location
    tags: tags
    name: '${abbreviations.virtualMachineScaleSets}${token}'
    vmSize: runnerVmSize
    maximum: runnerMaximum
    subnetId: network.outputs.runnerSubnetId
    identityId: identities.outputs.runnerId
    identityClientId: identities.outputs.runnerClientId
    directoryIds: directoryIds
    applicationId: runnerApplicationId
    imageId: machineImageId
    sshPublicKey: sshPublicKey
    rootUrl: stockRootUrl
    rootDigest: stockRootDigest
    storageUrl: storage.outputs.blobServiceUri
    serviceBusNamespace: serviceBus.outputs.fullyQualifiedNamespace
    serviceBusId: serviceBus.outputs.id
  }
}

module registry 'modules/registry.bicep' = if (onContainers) {
  name: 'registry'
  scope: group
  params: {
    location: location
    tags: tags
    name: '${abbreviations.containerRegistries}${token}'
    pullerPrincipalIds: [
      identities.outputs.runnerPrincipalId
    ]
  }
}

module containers 'modules/runner-aci.bicep' = if (runnerPlatform == 'aci' && !empty(containerImage)) {
  name: 'runner-aci'
  scope: group
  params: {
    location: location
    tags: tags
    name: 'cleanroom-runner-${token}'
    image: containerImage
    confidentialPolicy: confidentialPolicy
    subnetId: network.outputs.containersSubnetId
    identityId: identities.outputs.runnerId
    identityClientId: identities.outputs.runnerClientId
    directoryIds: directoryIds
    applicationId: runnerApplicationId
    storageUrl: storage.outputs.blobServiceUri
    serviceBusNamespace: serviceBus.outputs.fullyQualifiedNamespace
  }
  dependsOn: [
    registry
  ]
}

module cluster 'modules/aks.bicep' = if (runnerPlatform == 'aks') {
  name: 'aks'
  scope: group
  params: {
    location: location
    tags: tags
    name: '${abbreviations.kubernetesClusters}${token}'
    controlPlaneIdentityName: identities.outputs.controlPlaneName
    runnerIdentityName: identities.outputs.runnerName
    scalerIdentityName: identities.outputs.scalerName
    networkName: network.outputs.name
    subnetName: network.outputs.clusterSubnetName
    adminGroupIds: clusterAdminGroupIds
    confidentialVmSize: runnerVmSize
    maximum: runnerMaximum
    workspaceId: monitoring.outputs.workspaceId
  }
}

module alerts 'modules/alerts.bicep' = {
  name: 'alerts'
  scope: group
  params: {
    location: location
    tags: tags
    name: token
    emails: alertEmails
    serviceBusId: serviceBus.outputs.id
    systemTopicId: events.outputs.systemTopicId
    storageId: storage.outputs.id
    componentId: monitoring.outputs.componentId
  }
}

module budget 'modules/budget.bicep' = if (budgeted) {
  name: 'budget'
  scope: group
  params: {
    amount: monthlyBudget
    start: budgetStart
    emails: alertEmails
  }
}

output AZURE_LOCATION string = location
output AZURE_RESOURCE_GROUP string = group.name
output AZURE_CONTAINER_REGISTRY_ENDPOINT string = onContainers ? registry.outputs.server : ''
output CLEANROOM_STORAGE_URL string = storage.outputs.blobServiceUri
output CLEANROOM_SERVICEBUS string = serviceBus.outputs.fullyQualifiedNamespace
output CLEANROOM_EVENTS_ENDPOINT string = events.outputs.endpoint
output CLEANROOM_PARTIES_ENDPOINT string = events.outputs.partiesEndpoint
output CLEANROOM_API_URL string = functions.outputs.url
output CLEANROOM_RUNNER_PRINCIPAL_ID string = identities.outputs.runnerPrincipalId
output CLEANROOM_RUNNER_CLIENT_ID string = identities.outputs.runnerClientId
output CLEANROOM_FUNCTIONS_PRINCIPAL_ID string = identities.outputs.functionsPrincipalId
output CLEANROOM_RUNNER_SUBNET_ID string = onContainers ? network.outputs.containersSubnetId : network.outputs.runnerSubnetId
output CLEANROOM_FUNCTIONS_SUBNET_ID string = network.outputs.functionsSubnetId
output CLEANROOM_EGRESS_ADDRESS string = network.outputs.egressAddress
