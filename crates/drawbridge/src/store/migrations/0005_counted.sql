-- What else is counted of plans: 2 for a read that was approved and read, 3 for a draft that is kept.
CREATE INDEX plans_read_or_drafted ON plans (connector, person) WHERE counts > 1;
