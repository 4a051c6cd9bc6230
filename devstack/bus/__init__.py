"""Service Bus on one machine: AMQP 1.0, entities, rules, durable messages."""
