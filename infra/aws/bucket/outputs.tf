output "id" {
  description = "Name of the bucket, once it keeps versions."
  value       = aws_s3_bucket.backups.id
  depends_on  = [aws_s3_bucket_versioning.backups]
}

output "arn" {
  description = "ARN of the bucket."
  value       = aws_s3_bucket.backups.arn
}

output "log_arn" {
  description = "ARN of the bucket of its log."
  value       = aws_s3_bucket.log.arn
}
