# Holdfast's tier, in the region that serves. New objects are not locked by themselves: what a backup that was given up
# has left must go again. The copy in the other region is.
module "active" {
  source             = "./bucket"
  name               = "${local.name}-active-${var.bucket_suffix}"
  log_name           = "${local.name}-active-log-${var.bucket_suffix}"
  kms_key_arn        = aws_kms_key.backups.arn
  policy             = data.aws_iam_policy_document.bucket["active"].json
  log_policy         = data.aws_iam_policy_document.log["active"].json
  archive_after_days = var.archive_after_days
}

# The copy beside the standby: written by replication alone, and locked by itself. It is what is left when the other
# region is gone, or when somebody with every right has emptied the tier.
module "standby" {
  #checkov:skip=CKV_AWS_144:it is the copy itself
  source             = "./bucket"
  providers          = { aws = aws.standby }
  name               = "${local.name}-standby-${var.bucket_suffix}"
  log_name           = "${local.name}-standby-log-${var.bucket_suffix}"
  kms_key_arn        = aws_kms_replica_key.backups.arn
  policy             = data.aws_iam_policy_document.bucket["standby"].json
  log_policy         = data.aws_iam_policy_document.log["standby"].json
  archive_after_days = var.archive_after_days
  lock               = { mode = var.lock_mode, days = var.lock_days }
}
