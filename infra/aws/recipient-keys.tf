# Keys that open Holdfast's backups, one in each region and neither a copy of the other, so that no single one is needed.
# They stand beside the public keys of holdfast.yaml, never instead of them.

locals {
  recipients = var.kms_recipients ? 1 : 0

  recipient_use = {
    writer   = ["kms:Encrypt"]
    verifier = ["kms:Decrypt"]
    restorer = ["kms:Decrypt"]
    expirer  = ["kms:Encrypt", "kms:Decrypt"] # The worker of control: it tries each key, and rotates.
  }
}

resource "aws_kms_key" "recipient_active" {
  count                   = local.recipients
  description             = "Opens the backups of ${var.platform}"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy                  = data.aws_iam_policy_document.key.json

  lifecycle { prevent_destroy = true }
}

resource "aws_kms_key" "recipient_standby" {
  count                   = local.recipients
  provider                = aws.standby
  description             = "Opens the backups of ${var.platform}"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy                  = data.aws_iam_policy_document.key.json

  lifecycle { prevent_destroy = true }
}

data "aws_iam_policy_document" "recipients" {
  for_each = var.kms_recipients ? local.recipient_use : {}

  statement {
    sid       = "OwnKeysOfBackups"
    actions   = each.value
    resources = concat(aws_kms_key.recipient_active[*].arn, aws_kms_key.recipient_standby[*].arn)
  }
}

resource "aws_iam_role_policy" "recipients" {
  for_each = data.aws_iam_policy_document.recipients
  name     = "recipients"
  role     = aws_iam_role.holdfast[each.key].id
  policy   = each.value.json
}
