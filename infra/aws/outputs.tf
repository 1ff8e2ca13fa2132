output "tier" {
  description = "For repository.tiers.<name> of holdfast.yaml."
  value       = { kind = "s3", bucket = module.active.id, region = var.active.region }
}

output "copy" {
  description = "What takes the tier's place in holdfast.yaml when the active region is gone."
  value       = { kind = "s3", bucket = module.standby.id, region = var.standby.region }
}

output "kms" {
  description = "For repository.keys.kms of holdfast.yaml; empty without kms_recipients."
  value = concat(
    [for key in aws_kms_key.recipient_active : { name = "kms-${var.active.site}", arn = key.arn }],
    [for key in aws_kms_key.recipient_standby : { name = "kms-${var.standby.site}", arn = key.arn }],
  )
}

output "roles" {
  description = "ARN of each role that a worker takes."
  value       = { for name, role in aws_iam_role.holdfast : name => role.arn }
}

output "dns" {
  description = "For dns of holdfast.yaml."
  value = {
    zone    = var.zone_id
    name    = trimsuffix(data.aws_route53_zone.public.name, ".")
    records = [for name, one in var.names : { name = name, type = can(regex("^[0-9.]+$", one.active)) ? "A" : "CNAME", ttl = "${var.ttl}s" }]
  }
}

output "addresses" {
  description = "For sites.<name>.dns.addresses of holdfast.yaml."
  value = {
    (var.active.site)  = { for name, one in var.names : name => [one.active] }
    (var.standby.site) = { for name, one in var.names : name => [one.standby] }
  }
}

output "health_checks" {
  description = "For sites.<name>.dns.healthCheck.id of holdfast.yaml; empty without switches."
  value = {
    for place, check in aws_route53_health_check.site :
    (place == "active" ? var.active.site : var.standby.site) => check.id
  }
}

output "stores" {
  description = "Host and port of each store of the standby, for sites.<name> of holdfast.yaml."
  value       = { for name, instance in aws_instance.store : name => { host = instance.private_ip, port = var.stores[name].port } }
}
