"""AMQP 0-9-1 as RabbitMQ speaks it, with a venue's login request inside."""
