"""AMQP 0-9-1 on the trader's side: finds logins (`client`), puts the code into them (`logins`), reads the answers (`broker`)."""
