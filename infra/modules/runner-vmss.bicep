// The runner as a scale set: competing consumers of one queue, each as runner-vm.bicep has one.
//
// A machine that is to go is told 15 minutes before: it ends what it does, or hands it back.
param location string
param tags object = {}
param name string
param vmSize string = 'Standard_DC4as_v5'
param subnetId string
param identityId string
param identityClientId string

@description('Other directories that are asked, with commas between, and as which application.')
param directoryIds string = ''
param applicationId string = ''
@description('A version of the measured image; or the word stock.')
@minLength(1)
param imageId string
param sshPublicKey string = ''

@description('For the stock image: where its root is (image/build.sh makes root.tar), and its SHA-256. It is no secret.')
param rootUrl string = ''
param rootDigest string = ''
param storageUrl string
param serviceBusNamespace string
param serviceBusId string
param maximum int = 4

@description('One machine is always there: a job then starts within seconds.')
param minimum int = 1

var measured = imageId != 'stock'
var stockImage = {
  publisher: 'Canonical'
  offer: '0001-com-ubuntu-confidential-vm-jammy'
  sku: '22_04-lts-cvm'
  version: '22.04.202601280'
}
var elsewhere = empty(directoryIds) ? [] : [
  'CLEANROOM_RUNNER_DIRECTORIES=${directoryIds}'
  'CLEANROOM_RUNNER_APPLICATION=${applicationId}'
]
var settings = join(concat([
  'AZURE_CLIENT_ID=${identityClientId}'
  'CLEANROOM_RUNNER_PLATFORM=azure-cvm'
  'CLEANROOM_RUNNER_STORAGE_URL=${storageUrl}'
  'CLEANROOM_RUNNER_SERVICEBUS=${serviceBusNamespace}'
  'CLEANROOM_RUNNER_DIRECTORY=${tenant().tenantId}'
], elsewhere), '\n')
var cloudInit = replace(replace(replace(replace(loadTextContent('../runner/cloud-init.yaml'), '__SETTINGS__', base64(settings)), '__UNIT__', base64(loadTextContent('../runner/cleanroom-runner.service'))), '__URL__', rootUrl), '__DIGEST__', rootDigest)
var keyless = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHou55QL1xHhlo6uqF7if+VxR/4/WxB5J1EK+726bfFf nobody'

resource machines 'Microsoft.Compute/virtualMachineScaleSets@2024-11-01' = {
  name: name
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  sku: {
    name: vmSize
    tier: 'Standard'
    capacity: minimum
  }
  properties: {
    orchestrationMode: 'Uniform'
    overprovision: false
    upgradePolicy: {
      mode: 'Manual'
    }
    scaleInPolicy: {
      rules: [
        'OldestVM'
      ]
    }
    virtualMachineProfile: {
      securityProfile: {
        securityType: 'ConfidentialVM'
        uefiSettings: {
          secureBootEnabled: true
          vTpmEnabled: true
        }
      }
      storageProfile: {
        imageReference: measured ? {
          id: imageId
        } : stockImage
        osDisk: {
          createOption: 'FromImage'
          caching: 'ReadOnly'
          managedDisk: {
            storageAccountType: 'Premium_LRS'
            securityProfile: {
              securityEncryptionType: measured ? 'VMGuestStateOnly' : 'DiskWithVMGuestState'
            }
          }
        }
      }
      osProfile: {
        computerNamePrefix: 'runner'
        adminUsername: 'nobody-logs-in'
        allowExtensionOperations: false
        customData: measured ? null : base64(cloudInit)
        linuxConfiguration: {
          disablePasswordAuthentication: true
          provisionVMAgent: false
          ssh: {
            publicKeys: [
              {
                path: format('/{0}/nobody-logs-in/.ssh/authorized_keys', 'home')
                keyData: empty(sshPublicKey) ? keyless : sshPublicKey
              }
            ]
          }
        }
      }
      userData: base64(settings)
      networkProfile: {
        networkInterfaceConfigurations: [
          {
            name: 'nic'
            properties: {
              primary: true
              enableAcceleratedNetworking: true
              ipConfigurations: [
                {
                  name: 'private'
                  properties: {
                    subnet: {
                      id: subnetId
                    }
                  }
                }
              ]
            }
          }
        ]
      }
      diagnosticsProfile: {
        bootDiagnostics: {
          enabled: false
        }
      }
      scheduledEventsProfile: {
        terminateNotificationProfile: {
          enable: true
          notBeforeTimeout: 'PT15M'
        }
      }
    }
  }
}

resource scaling 'Microsoft.Insights/autoscaleSettings@2022-10-01' = {
  name: '${name}-by-queue'
  location: location
  tags: tags
  properties: {
    enabled: true
    targetResourceUri: machines.id
    profiles: [
      {
        name: 'by-queue'
        capacity: {
          minimum: string(minimum)
          maximum: string(maximum)
          default: string(minimum)
        }
        rules: [
          {
            metricTrigger: {
              metricName: 'ActiveMessages'
              metricNamespace: 'microsoft.servicebus/namespaces'
              metricResourceUri: serviceBusId
              dimensions: [
                {
                  DimensionName: 'EntityName'
                  Operator: 'Equals'
                  Values: [
                    'jobs'
                  ]
                }
              ]
              timeGrain: 'PT1M'
              timeWindow: 'PT5M'
              statistic: 'Average'
              timeAggregation: 'Average'
              operator: 'GreaterThan'
              threshold: 4
            }
            scaleAction: {
              direction: 'Increase'
              type: 'ChangeCount'
              value: '1'
              cooldown: 'PT5M'
            }
          }
          {
            metricTrigger: {
              metricName: 'ActiveMessages'
              metricNamespace: 'microsoft.servicebus/namespaces'
              metricResourceUri: serviceBusId
              dimensions: [
                {
                  DimensionName: 'EntityName'
                  Operator: 'Equals'
                  Values: [
                    'jobs'
                  ]
                }
              ]
              timeGrain: 'PT1M'
              timeWindow: 'PT30M'
              statistic: 'Max'
              timeAggregation: 'Maximum'
              operator: 'LessThan'
              threshold: 1
            }
            scaleAction: {
              direction: 'Decrease'
              type: 'ChangeCount'
              value: '1'
              cooldown: 'PT15M'
            }
          }
        ]
      }
    ]
  }
}

output id string = machines.id
