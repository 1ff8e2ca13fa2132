# One key in both regions: what was written in one can be read in the other while that one is gone.

data "aws_iam_policy_document" "key" {
  #checkov:skip=CKV_AWS_109:a key's own policy speaks of that key alone, and the account has to stay able to change it
  #checkov:skip=CKV_AWS_111:as above
  #checkov:skip=CKV_AWS_356:as above
  # The account decides by the roles below; without this statement nobody could ever change the key again.
  statement {
    sid       = "Account"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${local.account}:root"]
    }
  }
}

resource "aws_kms_key" "backups" {
  description             = "Backups of ${var.platform}, beneath Holdfast's own encryption"
  multi_region            = true
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy                  = data.aws_iam_policy_document.key.json

  lifecycle { prevent_destroy = true }
}

resource "aws_kms_replica_key" "backups" {
  provider                = aws.standby
  description             = "Backups of ${var.platform}, beneath Holdfast's own encryption"
  primary_key_arn         = aws_kms_key.backups.arn
  deletion_window_in_days = 30
  policy                  = data.aws_iam_policy_document.key.json

  lifecycle { prevent_destroy = true }
}
