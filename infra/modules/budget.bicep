// Tells when the month costs more than expected. It stops nothing.
param amount int

@description('The first day of a month. Azure does not let it be moved back.')
param start string
param emails array

resource budget 'Microsoft.Consumption/budgets@2024-08-01' = {
  name: 'cleanroom'
  properties: {
    category: 'Cost'
    amount: amount
    timeGrain: 'Monthly'
    timePeriod: {
      startDate: start
    }
    notifications: {
      expected: {
        enabled: true
        operator: 'GreaterThan'
        threshold: 100
        thresholdType: 'Forecasted'
        contactEmails: emails
      }
      spent: {
        enabled: true
        operator: 'GreaterThan'
        threshold: 80
        thresholdType: 'Actual'
        contactEmails: emails
      }
    }
  }
}
