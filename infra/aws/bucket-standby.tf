# The copy beside the standby: written by replication alone, and locked by itself. It is what is left when the other
# region is gone, or when somebody with every right has emptied the tier.

resource "aws_s3_bucket" "standby" {
  #checkov:skip=CKV_AWS_144:it is the copy itself
  #checkov:skip=CKV2_AWS_62:nothing of ours listens; Holdfast reads every byte back itself
  provider            = aws.standby
  bucket              = "${local.name}-standby-${var.bucket_suffix}"
  object_lock_enabled = true

  lifecycle { prevent_destroy = true }
}

resource "aws_s3_bucket_versioning" "standby" {
  provider = aws.standby
  bucket   = aws_s3_bucket.standby.id

  versioning_configuration { status = "Enabled" }
}

resource "aws_s3_bucket_object_lock_configuration" "standby" {
  provider = aws.standby
  bucket   = aws_s3_bucket.standby.id

  rule {
    default_retention {
      mode = var.lock_mode
      days = var.lock_days
    }
  }

  depends_on = [aws_s3_bucket_versioning.standby]
}

resource "aws_s3_bucket_server_side_encryption_configuration" "standby" {
  provider = aws.standby
  bucket   = aws_s3_bucket.standby.id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_replica_key.backups.arn
    }
  }
}

resource "aws_s3_bucket_public_access_block" "standby" {
  provider                = aws.standby
  bucket                  = aws_s3_bucket.standby.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "standby" {
  provider = aws.standby
  bucket   = aws_s3_bucket.standby.id

  rule { object_ownership = "BucketOwnerEnforced" }
}

resource "aws_s3_bucket_logging" "standby" {
  provider      = aws.standby
  bucket        = aws_s3_bucket.standby.id
  target_bucket = aws_s3_bucket.standby_log.id
  target_prefix = "access/"
}

resource "aws_s3_bucket_policy" "standby" {
  provider = aws.standby
  bucket   = aws_s3_bucket.standby.id
  policy   = data.aws_iam_policy_document.bucket["standby"].json
}

# Only what can do no harm: retention is Holdfast's, and manifests, keys and records never leave for an archive.
resource "aws_s3_bucket_lifecycle_configuration" "standby" {
  provider = aws.standby
  bucket   = aws_s3_bucket.standby.id

  rule {
    id     = "stale-uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload { days_after_initiation = 7 }
  }

  dynamic "rule" {
    for_each = var.archive_after_days == 0 ? [] : [var.archive_after_days]

    content {
      id     = "archive-data"
      status = "Enabled"

      filter {
        tag {
          key   = "dr"
          value = "data"
        }
      }

      transition {
        days          = rule.value
        storage_class = "GLACIER"
      }
    }
  }

  depends_on = [aws_s3_bucket_versioning.standby]
}

# Who asked for what. Logs are not backups: they are kept for a year and then go.
resource "aws_s3_bucket" "standby_log" {
  #checkov:skip=CKV_AWS_18:the log of the log has no end
  #checkov:skip=CKV_AWS_144:a log stays beside what it tells of
  #checkov:skip=CKV_AWS_145:the log service writes with the bucket's own key alone
  #checkov:skip=CKV2_AWS_62:nothing of ours listens
  provider = aws.standby
  bucket   = "${local.name}-standby-log-${var.bucket_suffix}"
}

resource "aws_s3_bucket_versioning" "standby_log" {
  provider = aws.standby
  bucket   = aws_s3_bucket.standby_log.id

  versioning_configuration { status = "Enabled" }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "standby_log" {
  provider = aws.standby
  bucket   = aws_s3_bucket.standby_log.id

  rule {
    apply_server_side_encryption_by_default { sse_algorithm = "AES256" }
  }
}

resource "aws_s3_bucket_public_access_block" "standby_log" {
  provider                = aws.standby
  bucket                  = aws_s3_bucket.standby_log.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_policy" "standby_log" {
  provider = aws.standby
  bucket   = aws_s3_bucket.standby_log.id
  policy   = data.aws_iam_policy_document.log["standby"].json
}

resource "aws_s3_bucket_lifecycle_configuration" "standby_log" {
  provider = aws.standby
  bucket   = aws_s3_bucket.standby_log.id

  rule {
    id     = "a-year"
    status = "Enabled"

    filter {}

    expiration { days = 365 }

    noncurrent_version_expiration { noncurrent_days = 30 }

    abort_incomplete_multipart_upload { days_after_initiation = 7 }
  }

  depends_on = [aws_s3_bucket_versioning.standby_log]
}
