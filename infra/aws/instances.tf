# The standby's stores: instances that wait switched off, with disks of their own that no plan destroys.

data "aws_iam_policy_document" "instance_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

# May become a writer and nothing else; say so in var.principals.writer too.
data "aws_iam_policy_document" "instance" {
  statement {
    actions   = ["sts:AssumeRole"]
    resources = [aws_iam_role.holdfast["writer"].arn]
  }
}

resource "aws_iam_role" "instance" {
  name               = "${local.name}-instance"
  assume_role_policy = data.aws_iam_policy_document.instance_trust.json
}

resource "aws_iam_role_policy" "instance" {
  name   = "become-writer"
  role   = aws_iam_role.instance.id
  policy = data.aws_iam_policy_document.instance.json
}

resource "aws_iam_instance_profile" "standby" {
  name = "${local.name}-instance"
  role = aws_iam_role.instance.name
}

resource "aws_instance" "store" {
  for_each               = var.stores
  provider               = aws.standby
  ami                    = each.value.image
  instance_type          = each.value.type
  subnet_id              = aws_subnet.standby[var.standby.zones[0]].id
  vpc_security_group_ids = [aws_security_group.store[each.key].id]
  iam_instance_profile   = aws_iam_instance_profile.standby.name
  ebs_optimized          = true
  monitoring             = true

  metadata_options {
    http_endpoint = "enabled"
    http_tokens   = "required"
  }

  root_block_device {
    encrypted  = true
    kms_key_id = aws_kms_replica_key.backups.arn
  }

  tags = { Name = "${local.name}-${var.standby.site}-${each.key}", holdfast-site = var.standby.site }

  lifecycle {
    prevent_destroy = true
    ignore_changes  = [ami]
  }
}

resource "aws_ebs_volume" "store" {
  #checkov:skip=CKV2_AWS_9:what protects these data is Holdfast's own backup
  for_each          = var.stores
  provider          = aws.standby
  availability_zone = var.standby.zones[0]
  size              = each.value.volume
  type              = "gp3"
  encrypted         = true
  kms_key_id        = aws_kms_replica_key.backups.arn

  tags = { Name = "${local.name}-${var.standby.site}-${each.key}" }

  lifecycle { prevent_destroy = true }
}

resource "aws_volume_attachment" "store" {
  for_each    = var.stores
  provider    = aws.standby
  device_name = "/dev/sdf"
  instance_id = aws_instance.store[each.key].id
  volume_id   = aws_ebs_volume.store[each.key].id
}

resource "aws_ec2_instance_state" "store" {
  for_each    = var.stores
  provider    = aws.standby
  instance_id = aws_instance.store[each.key].id
  state       = var.standby_runs ? "running" : "stopped"

  depends_on = [aws_volume_attachment.store]
}
