# The ground that Holdfast stands on at AWS: two buckets that cannot be emptied, roles that can do little each, the public
# names, and a standby whose instances wait switched off. See README.md for what was checked.

provider "aws" {
  region = var.active.region
  default_tags { tags = local.tags }
}

provider "aws" {
  alias  = "standby"
  region = var.standby.region
  default_tags { tags = local.tags }
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  name      = "holdfast-${var.platform}"
  tags      = merge(var.tags, { holdfast-platform = var.platform })
}
