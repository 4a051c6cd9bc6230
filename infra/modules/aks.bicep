// The runner in a cluster with confidential nodes. WEAKER than the others: whoever administers the
// cluster can look into every pod of a node, and the node's image is not ours (../README.md).
param location string
param tags object = {}
param name string
param controlPlaneIdentityName string
param runnerIdentityName string
param scalerIdentityName string
param networkName string
param subnetName string
param adminGroupIds array
param confidentialVmSize string = 'Standard_DC4as_v5'
param maximum int = 4
param workspaceId string

var networkContributor = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '4d97b98b-1d4f-4787-a291-c67834d212e7')

resource controlPlane 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: controlPlaneIdentityName
}

resource runner 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: runnerIdentityName
}

resource scaler 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: scalerIdentityName
}

resource network 'Microsoft.Network/virtualNetworks@2024-07-01' existing = {
  name: networkName
}

resource subnet 'Microsoft.Network/virtualNetworks/subnets@2024-07-01' existing = {
  parent: network
  name: subnetName
}

resource joins 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(subnet.id, controlPlane.id, networkContributor)
  scope: subnet
  properties: {
    principalId: controlPlane.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: networkContributor
  }
}

resource cluster 'Microsoft.ContainerService/managedClusters@2025-05-01' = {
  name: name
  location: location
  tags: tags
  sku: {
    name: 'Base'
    tier: 'Standard'
  }
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${controlPlane.id}': {}
    }
  }
  properties: {
    dnsPrefix: name
    disableLocalAccounts: true
    enableRBAC: true
    aadProfile: {
      managed: true
      enableAzureRBAC: true
      adminGroupObjectIDs: adminGroupIds
    }
    apiServerAccessProfile: {
      enablePrivateCluster: true
      disableRunCommand: true
    }
    oidcIssuerProfile: {
      enabled: true
    }
    securityProfile: {
      workloadIdentity: {
        enabled: true
      }
    }
    workloadAutoScalerProfile: {
      keda: {
        enabled: true
      }
    }
    networkProfile: {
      networkPlugin: 'azure'
      networkPluginMode: 'overlay'
      networkPolicy: 'cilium'
      networkDataplane: 'cilium'
      outboundType: 'userAssignedNATGateway'
    }
    autoUpgradeProfile: {
      upgradeChannel: 'patch'
      nodeOSUpgradeChannel: 'NodeImage'
    }
    agentPoolProfiles: [
      {
        name: 'system'
        mode: 'System'
        count: 2
        vmSize: 'Standard_D4as_v5'
        osType: 'Linux'
        osSKU: 'AzureLinux'
        vnetSubnetID: subnet.id
      }
    ]
  }
  dependsOn: [
    joins
  ]
}

resource confidential 'Microsoft.ContainerService/managedClusters/agentPools@2025-05-01' = {
  parent: cluster
  name: 'cvm'
  properties: {
    mode: 'User'
    vmSize: confidentialVmSize
    osType: 'Linux'
    osSKU: 'Ubuntu2404'
    osDiskType: 'Managed'
    enableAutoScaling: true
    minCount: 1
    maxCount: maximum
    count: 1
    enableNodePublicIP: false
    vnetSubnetID: subnet.id
    nodeLabels: {
      'cleanroom/tee': 'sev-snp'
    }
    nodeTaints: [
      'cleanroom/tee=sev-snp:NoSchedule'
    ]
  }
}

resource federation 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2024-11-30' = {
  parent: runner
  name: '${name}-runner'
  properties: {
    issuer: cluster.properties.oidcIssuerProfile.issuerURL
    subject: 'system:serviceaccount:cleanroom:runner'
    audiences: [
      'api://AzureADTokenExchange'
    ]
  }
}

resource scalerFederation 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2024-11-30' = {
  parent: scaler
  name: '${name}-scaler'
  properties: {
    issuer: cluster.properties.oidcIssuerProfile.issuerURL
    subject: 'system:serviceaccount:kube-system:keda-operator'
    audiences: [
      'api://AzureADTokenExchange'
    ]
  }
}

resource log 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'who-did-what'
  scope: cluster
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'kube-audit-admin'
        enabled: true
      }
      {
        category: 'guard'
        enabled: true
      }
    ]
  }
}

output name string = cluster.name
