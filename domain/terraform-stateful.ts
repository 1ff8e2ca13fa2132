// Types of resources that hold what people would miss. A plan that destroys or replaces one of them is never applied.

/** What the providers of the large clouds call them; a site's own are named in `sites.<name>.terraform.stateful`. */
export const STATEFUL_TYPES: ReadonlySet<string> = new Set([
  ...['aws_db_instance', 'aws_db_cluster_snapshot', 'aws_db_snapshot', 'aws_rds_cluster', 'aws_rds_cluster_instance'],
  ...['aws_rds_global_cluster', 'aws_docdb_cluster', 'aws_neptune_cluster', 'aws_redshift_cluster'],
  ...['aws_dynamodb_table', 'aws_elasticache_cluster', 'aws_elasticache_replication_group', 'aws_memorydb_cluster'],
  ...['aws_elasticache_serverless_cache', 'aws_mq_broker', 'aws_msk_cluster', 'aws_sqs_queue', 'aws_kinesis_stream'],
  ...['aws_instance', 'aws_ebs_volume', 'aws_ebs_snapshot', 'aws_efs_file_system', 'aws_s3_bucket', 'aws_s3_object'],
  ...['aws_fsx_lustre_file_system', 'aws_fsx_ontap_file_system', 'aws_fsx_openzfs_file_system'],
  ...['aws_fsx_windows_file_system', 'aws_glacier_vault', 'aws_backup_vault', 'aws_opensearch_domain'],
  ...['aws_kms_key', 'aws_kms_external_key', 'aws_kms_replica_key', 'aws_secretsmanager_secret', 'aws_ssm_parameter'],
  ...['aws_route53_zone', 'google_sql_database_instance', 'google_sql_database', 'google_storage_bucket'],
  ...['google_compute_instance', 'google_compute_disk', 'google_compute_region_disk', 'google_redis_instance'],
  ...['google_spanner_instance', 'google_spanner_database', 'google_bigtable_instance', 'google_bigquery_dataset'],
  ...['google_filestore_instance', 'google_kms_crypto_key', 'google_kms_key_ring', 'google_secret_manager_secret'],
  ...['azurerm_postgresql_flexible_server', 'azurerm_postgresql_server', 'azurerm_mssql_database'],
  ...['azurerm_mssql_server', 'azurerm_cosmosdb_account', 'azurerm_redis_cache', 'azurerm_storage_account'],
  ...['azurerm_storage_container', 'azurerm_managed_disk', 'azurerm_key_vault', 'azurerm_key_vault_key'],
  ...['azurerm_linux_virtual_machine', 'azurerm_servicebus_namespace', 'azurerm_servicebus_queue'],
  ...['hcloud_server', 'hcloud_volume', 'digitalocean_droplet', 'digitalocean_volume', 'digitalocean_database_cluster'],
  ...['libvirt_domain', 'libvirt_volume', 'vsphere_virtual_machine', 'proxmox_vm_qemu', 'docker_volume'],
  ...['kubernetes_persistent_volume', 'kubernetes_persistent_volume_claim', 'kubernetes_persistent_volume_claim_v1'],
  ...[
    'kubernetes_persistent_volume_v1',
    'kubernetes_stateful_set',
    'kubernetes_stateful_set_v1',
    'postgresql_database',
  ],
  ...['rabbitmq_queue', 'rabbitmq_vhost'],
]);
