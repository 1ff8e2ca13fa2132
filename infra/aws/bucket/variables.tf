variable "name" {
  description = "Name of the bucket."
  type        = string
}

variable "log_name" {
  description = "Name of the bucket of its access log."
  type        = string
}

variable "kms_key_arn" {
  description = "The key that encrypts it, in its own region."
  type        = string
}

variable "policy" {
  description = "Policy of the bucket, as JSON."
  type        = string
}

variable "log_policy" {
  description = "Policy of the bucket of its log, as JSON."
  type        = string
}

variable "archive_after_days" {
  description = "Days after which data moves to an archive; 0 for never."
  type        = number
}

variable "lock" {
  description = "What locks every new object by itself; null for nothing."
  type        = object({ mode = string, days = number })
  default     = null
}
