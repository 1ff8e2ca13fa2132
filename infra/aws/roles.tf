# Five roles, each with what its work needs. None of them can change a bucket, a key or another role.

locals {
  both_buckets = [module.active.arn, module.standby.arn]
  both_objects = [for arn in local.both_buckets : "${arn}/*"]
  both_keys    = [aws_kms_key.backups.arn, aws_kms_replica_key.backups.arn]

  look = ["s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads", "s3:GetBucketLocation"]
  read = ["s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectTagging", "s3:GetObjectRetention"]
  put  = ["s3:PutObject", "s3:PutObjectTagging", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
  take = ["s3:DeleteObject", "s3:DeleteObjectVersion"]

  # Reading needs Decrypt of the bucket's key, and so does an upload in parts. What lies in an object is encrypted for
  # Holdfast's own recipients besides; of those only keys in KMS can be used by roles here (recipient-keys.tf).
  buckets_of = {
    writer   = { actions = concat(local.read, local.put), keys = ["kms:Decrypt", "kms:GenerateDataKey"] }
    verifier = { actions = concat(local.read, local.put), keys = ["kms:Decrypt", "kms:GenerateDataKey"] }
    restorer = { actions = local.read, keys = ["kms:Decrypt"] }
    expirer  = { actions = concat(local.read, local.put, local.take), keys = ["kms:Decrypt", "kms:GenerateDataKey"] }
  }
}

data "aws_iam_policy_document" "trust" {
  for_each = var.principals

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "AWS"
      identifiers = each.value
    }
  }
}

resource "aws_iam_role" "holdfast" {
  for_each             = var.principals
  name                 = "${local.name}-${each.key}"
  assume_role_policy   = data.aws_iam_policy_document.trust[each.key].json
  max_session_duration = 43200
}

data "aws_iam_policy_document" "buckets" {
  for_each = local.buckets_of

  statement {
    sid       = "Look"
    actions   = local.look
    resources = local.both_buckets
  }

  statement {
    sid       = "Objects"
    actions   = each.value.actions
    resources = local.both_objects
  }

  statement {
    sid       = "KeysThroughTheStore"
    actions   = each.value.keys
    resources = local.both_keys

    condition {
      test     = "StringLike"
      variable = "kms:ViaService"
      values   = ["s3.*.amazonaws.com"]
    }
  }
}

resource "aws_iam_role_policy" "buckets" {
  for_each = local.buckets_of
  name     = "buckets"
  role     = aws_iam_role.holdfast[each.key].id
  policy   = data.aws_iam_policy_document.buckets[each.key].json
}
