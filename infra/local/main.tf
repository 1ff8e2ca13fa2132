# What the demo and the tests apply: the stores of a site on this machine, started by a program that is given. Nothing but
# Terraform's built-in provider is needed, and no shell reads what is given.

terraform {
  required_version = ">= 1.11"
  backend "s3" {}
}

locals {
  last_start = length(var.start) - 1
}

resource "terraform_data" "stores" {
  input = {
    site = var.site
    stop = var.stop
  }

  # Returns when every store answers; a second run finds them running.
  provisioner "local-exec" {
    interpreter = slice(var.start, 0, local.last_start)
    command     = var.start[local.last_start]
    quiet       = true
  }

  # A destruction knows only what was kept of the making.
  provisioner "local-exec" {
    when        = destroy
    interpreter = slice(self.output.stop, 0, length(self.output.stop) - 1)
    command     = self.output.stop[length(self.output.stop) - 1]
    quiet       = true
  }
}
