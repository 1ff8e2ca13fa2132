# What holds for both buckets, whoever asks.

locals {
  buckets = { active = module.active.arn, standby = module.standby.arn }
  logs    = { active = module.active.log_arn, standby = module.standby.log_arn }
}

data "aws_iam_policy_document" "bucket" {
  for_each = local.buckets

  statement {
    sid       = "EncryptedOnTheWay"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [each.value, "${each.value}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }

  # The expirer alone deletes, and a version that is locked not even it.
  statement {
    sid       = "DeletedByTheExpirerAlone"
    effect    = "Deny"
    actions   = ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"]
    resources = ["${each.value}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "ArnNotEquals"
      variable = "aws:PrincipalArn"
      values   = [aws_iam_role.holdfast["expirer"].arn]
    }
  }
}

data "aws_iam_policy_document" "log" {
  for_each = local.logs

  statement {
    sid       = "WrittenByTheLogService"
    actions   = ["s3:PutObject"]
    resources = ["${each.value}/access/*"]

    principals {
      type        = "Service"
      identifiers = ["logging.s3.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}
