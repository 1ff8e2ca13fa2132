# The standby's network: two zones, no way to or from the internet. Backups come over the store's own endpoint.

resource "aws_vpc" "standby" {
  provider             = aws.standby
  cidr_block           = var.network.range
  enable_dns_support   = true
  enable_dns_hostnames = true

  tags = { Name = "${local.name}-${var.standby.site}" }
}

# What comes without rules of its own may do nothing.
resource "aws_default_security_group" "standby" {
  provider = aws.standby
  vpc_id   = aws_vpc.standby.id
}

resource "aws_subnet" "standby" {
  for_each                = { for index, zone in var.standby.zones : zone => index }
  provider                = aws.standby
  vpc_id                  = aws_vpc.standby.id
  availability_zone       = each.key
  cidr_block              = cidrsubnet(var.network.range, 4, each.value)
  map_public_ip_on_launch = false

  tags = { Name = "${local.name}-${each.key}" }
}

resource "aws_route_table" "standby" {
  provider = aws.standby
  vpc_id   = aws_vpc.standby.id
}

resource "aws_route_table_association" "standby" {
  for_each       = aws_subnet.standby
  provider       = aws.standby
  subnet_id      = each.value.id
  route_table_id = aws_route_table.standby.id
}

resource "aws_vpc_endpoint" "store" {
  provider          = aws.standby
  vpc_id            = aws_vpc.standby.id
  service_name      = "com.amazonaws.${var.standby.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [aws_route_table.standby.id]
}

data "aws_ec2_managed_prefix_list" "store" {
  provider = aws.standby
  name     = "com.amazonaws.${var.standby.region}.s3"
}

resource "aws_security_group" "store" {
  #checkov:skip=CKV2_AWS_5:it belongs to the instances, which for_each makes
  for_each    = var.stores
  provider    = aws.standby
  name        = "${local.name}-${each.key}"
  description = "${each.key} of ${var.platform}: its clients in, backups out"
  vpc_id      = aws_vpc.standby.id

  ingress {
    description = "Clients"
    from_port   = each.value.port
    to_port     = each.value.port
    protocol    = "tcp"
    cidr_blocks = var.network.clients
  }

  egress {
    description     = "Backups"
    from_port       = 443
    to_port         = 443
    protocol        = "tcp"
    prefix_list_ids = [data.aws_ec2_managed_prefix_list.store.id]
  }
}

resource "aws_flow_log" "standby" {
  provider             = aws.standby
  vpc_id               = aws_vpc.standby.id
  traffic_type         = "REJECT"
  log_destination_type = "s3"
  log_destination      = "${module.standby.log_arn}/flow/"
}
