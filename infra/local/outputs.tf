output "site" {
  description = "The site that stands."
  value       = terraform_data.stores.output.site
}

output "stores" {
  description = "Host and port of each store, as sites.<name> of holdfast.yaml takes them."
  value       = var.stores
  depends_on  = [terraform_data.stores]
}
