# The public names as they begin. Holdfast moves them, and its epoch record beside them is its own; so what they hold later
# is no drift. With switches each name is a pair: the second switch works while Route 53's change API is away.

data "aws_route53_zone" "public" {
  zone_id = var.zone_id
}

locals {
  pairs  = var.switches == null ? {} : var.names
  plain  = var.switches == null ? var.names : {}
  checks = var.switches == null ? {} : { active = var.switches.active, standby = var.switches.standby }
}

resource "aws_route53_health_check" "site" {
  for_each          = local.checks
  type              = "HTTPS"
  fqdn              = each.value.host
  port              = 443
  resource_path     = each.value.path
  request_interval  = 10
  failure_threshold = 2

  tags = { Name = "${local.name}-${each.key}" }
}

resource "aws_route53_record" "plain" {
  #checkov:skip=CKV2_AWS_23:the addresses are given, not made here
  for_each = local.plain
  zone_id  = var.zone_id
  name     = each.key
  type     = can(regex("^[0-9.]+$", each.value.active)) ? "A" : "CNAME"
  ttl      = var.ttl
  records  = [each.value.active]

  lifecycle { ignore_changes = [records, ttl] }
}

resource "aws_route53_record" "primary" {
  #checkov:skip=CKV2_AWS_23:the addresses are given, not made here
  for_each        = local.pairs
  zone_id         = var.zone_id
  name            = each.key
  type            = can(regex("^[0-9.]+$", each.value.active)) ? "A" : "CNAME"
  ttl             = var.ttl
  records         = [each.value.active]
  set_identifier  = "primary"
  health_check_id = aws_route53_health_check.site["active"].id

  failover_routing_policy { type = "PRIMARY" }

  lifecycle { ignore_changes = [records, ttl, health_check_id] }
}

resource "aws_route53_record" "secondary" {
  #checkov:skip=CKV2_AWS_23:the addresses are given, not made here
  for_each        = local.pairs
  zone_id         = var.zone_id
  name            = each.key
  type            = can(regex("^[0-9.]+$", each.value.standby)) ? "A" : "CNAME"
  ttl             = var.ttl
  records         = [each.value.standby]
  set_identifier  = "secondary"
  health_check_id = aws_route53_health_check.site["standby"].id

  failover_routing_policy { type = "SECONDARY" }

  lifecycle { ignore_changes = [records, ttl, health_check_id] }
}
