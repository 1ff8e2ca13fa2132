# Holdfast's tier, in the region that serves. New objects are not locked by themselves: what a backup that was given up
# has left must go again. The copy in the other region is.

resource "aws_s3_bucket" "active" {
  #checkov:skip=CKV2_AWS_62:nothing of ours listens; Holdfast reads every byte back itself
  bucket              = "${local.name}-active-${var.bucket_suffix}"
  object_lock_enabled = true

  lifecycle { prevent_destroy = true }
}

resource "aws_s3_bucket_versioning" "active" {
  bucket = aws_s3_bucket.active.id

  versioning_configuration { status = "Enabled" }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "active" {
  bucket = aws_s3_bucket.active.id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.backups.arn
    }
  }
}

resource "aws_s3_bucket_public_access_block" "active" {
  bucket                  = aws_s3_bucket.active.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "active" {
  bucket = aws_s3_bucket.active.id

  rule { object_ownership = "BucketOwnerEnforced" }
}

resource "aws_s3_bucket_logging" "active" {
  bucket        = aws_s3_bucket.active.id
  target_bucket = aws_s3_bucket.active_log.id
  target_prefix = "access/"
}

resource "aws_s3_bucket_policy" "active" {
  bucket = aws_s3_bucket.active.id
  policy = data.aws_iam_policy_document.bucket["active"].json
}

# Only what can do no harm: retention is Holdfast's, and manifests, keys and records never leave for an archive.
resource "aws_s3_bucket_lifecycle_configuration" "active" {
  bucket = aws_s3_bucket.active.id

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

  depends_on = [aws_s3_bucket_versioning.active]
}

# Who asked for what. Logs are not backups: they are kept for a year and then go.
resource "aws_s3_bucket" "active_log" {
  #checkov:skip=CKV_AWS_18:the log of the log has no end
  #checkov:skip=CKV_AWS_144:a log stays beside what it tells of
  #checkov:skip=CKV_AWS_145:the log service writes with the bucket's own key alone
  #checkov:skip=CKV2_AWS_62:nothing of ours listens
  bucket = "${local.name}-active-log-${var.bucket_suffix}"
}

resource "aws_s3_bucket_versioning" "active_log" {
  bucket = aws_s3_bucket.active_log.id

  versioning_configuration { status = "Enabled" }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "active_log" {
  bucket = aws_s3_bucket.active_log.id

  rule {
    apply_server_side_encryption_by_default { sse_algorithm = "AES256" }
  }
}

resource "aws_s3_bucket_public_access_block" "active_log" {
  bucket                  = aws_s3_bucket.active_log.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_policy" "active_log" {
  bucket = aws_s3_bucket.active_log.id
  policy = data.aws_iam_policy_document.log["active"].json
}

resource "aws_s3_bucket_lifecycle_configuration" "active_log" {
  bucket = aws_s3_bucket.active_log.id

  rule {
    id     = "a-year"
    status = "Enabled"

    filter {}

    expiration { days = 365 }

    noncurrent_version_expiration { noncurrent_days = 30 }

    abort_incomplete_multipart_upload { days_after_initiation = 7 }
  }

  depends_on = [aws_s3_bucket_versioning.active_log]
}
