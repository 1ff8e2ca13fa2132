# What a failover does: move these names, switch these instances, keep this state. It reads how everything is configured,
# because Terraform compares it, and no data.

locals {
  moved_names = [for name in concat(keys(var.names), ["_holdfast-epoch.${data.aws_route53_zone.public.name}"]) : trimsuffix(name, ".")]
}

data "aws_iam_policy_document" "failover" {
  statement {
    sid       = "MoveTheNames"
    actions   = ["route53:ChangeResourceRecordSets"]
    resources = [data.aws_route53_zone.public.arn]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "route53:ChangeResourceRecordSetsNormalizedRecordNames"
      values   = local.moved_names
    }

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "route53:ChangeResourceRecordSetsRecordTypes"
      values   = ["A", "AAAA", "CNAME", "TXT"]
    }
  }

  statement {
    sid       = "ReadTheZone"
    actions   = ["route53:GetHostedZone", "route53:ListResourceRecordSets"]
    resources = [data.aws_route53_zone.public.arn]
  }

  statement {
    sid       = "WaitForTheChange"
    actions   = ["route53:GetChange"]
    resources = ["arn:${local.partition}:route53:::change/*"]
  }

  statement {
    sid       = "SwitchInstancesOfThePlatform"
    actions   = ["ec2:StartInstances", "ec2:StopInstances"]
    resources = ["arn:${local.partition}:ec2:*:${local.account}:instance/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/holdfast-platform"
      values   = [var.platform]
    }
  }

  statement {
    sid       = "FindTheState"
    actions   = ["s3:ListBucket"]
    resources = ["arn:${local.partition}:s3:::${var.state_bucket}"]
  }

  statement {
    sid       = "KeepTheStateAndItsLock"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    resources = ["arn:${local.partition}:s3:::${var.state_bucket}/*"]
  }
}

resource "aws_iam_role_policy" "failover" {
  name   = "failover"
  role   = aws_iam_role.holdfast["failover"].id
  policy = data.aws_iam_policy_document.failover.json
}

resource "aws_iam_role_policy_attachment" "failover" {
  role       = aws_iam_role.holdfast["failover"].name
  policy_arn = "arn:${local.partition}:iam::aws:policy/SecurityAudit"
}
