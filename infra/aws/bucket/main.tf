# A bucket of backups that cannot be emptied by itself, and the log of who asked it for what.

resource "aws_s3_bucket" "backups" {
  #checkov:skip=CKV2_AWS_62:nothing of ours listens; Holdfast reads every byte back itself
  bucket              = var.name
  object_lock_enabled = true

  lifecycle { prevent_destroy = true }
}

resource "aws_s3_bucket_versioning" "backups" {
  bucket = aws_s3_bucket.backups.id

  versioning_configuration { status = "Enabled" }
}

resource "aws_s3_bucket_object_lock_configuration" "backups" {
  count  = var.lock == null ? 0 : 1
  bucket = aws_s3_bucket.backups.id

  rule {
    default_retention {
      mode = var.lock.mode
      days = var.lock.days
    }
  }

  depends_on = [aws_s3_bucket_versioning.backups]
}

resource "aws_s3_bucket_server_side_encryption_configuration" "backups" {
  bucket = aws_s3_bucket.backups.id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = var.kms_key_arn
    }
  }
}

resource "aws_s3_bucket_public_access_block" "backups" {
  bucket                  = aws_s3_bucket.backups.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "backups" {
  bucket = aws_s3_bucket.backups.id

  rule { object_ownership = "BucketOwnerEnforced" }
}

resource "aws_s3_bucket_logging" "backups" {
  bucket        = aws_s3_bucket.backups.id
  target_bucket = aws_s3_bucket.log.id
  target_prefix = "access/"
}

resource "aws_s3_bucket_policy" "backups" {
  bucket = aws_s3_bucket.backups.id
  policy = var.policy
}

# Only what can do no harm: retention is Holdfast's, and manifests, keys and records never leave for an archive.
resource "aws_s3_bucket_lifecycle_configuration" "backups" {
  bucket = aws_s3_bucket.backups.id

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

  depends_on = [aws_s3_bucket_versioning.backups]
}

# Who asked for what. Logs are not backups: they are kept for a year and then go.
resource "aws_s3_bucket" "log" {
  #checkov:skip=CKV_AWS_18:the log of the log has no end
  #checkov:skip=CKV_AWS_144:a log stays beside what it tells of
  #checkov:skip=CKV_AWS_145:the log service writes with the bucket's own key alone
  #checkov:skip=CKV2_AWS_62:nothing of ours listens
  bucket = var.log_name
}

resource "aws_s3_bucket_versioning" "log" {
  bucket = aws_s3_bucket.log.id

  versioning_configuration { status = "Enabled" }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "log" {
  bucket = aws_s3_bucket.log.id

  rule {
    apply_server_side_encryption_by_default { sse_algorithm = "AES256" }
  }
}

resource "aws_s3_bucket_public_access_block" "log" {
  bucket                  = aws_s3_bucket.log.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_policy" "log" {
  bucket = aws_s3_bucket.log.id
  policy = var.log_policy
}

resource "aws_s3_bucket_lifecycle_configuration" "log" {
  bucket = aws_s3_bucket.log.id

  rule {
    id     = "a-year"
    status = "Enabled"

    filter {}

    expiration { days = 365 }

    noncurrent_version_expiration { noncurrent_days = 30 }

    abort_incomplete_multipart_upload { days_after_initiation = 7 }
  }

  depends_on = [aws_s3_bucket_versioning.log]
}
