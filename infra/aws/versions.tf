terraform {
  required_version = ">= 1.11"

  # Bucket and key are given by holdfast.yaml; the bucket is at the witness, in neither region below, and unversioned.
  backend "s3" {}

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}
