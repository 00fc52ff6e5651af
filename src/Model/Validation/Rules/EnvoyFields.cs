using System.Collections.Frozen;

namespace Mesh.Model.Validation.Rules;

/// <summary>The outermost fields of the Envoy messages an EnvoyFilter may patch (Envoy's API v3).</summary>
internal static class EnvoyFields
{
    private static readonly FrozenDictionary<string, EnvoyShape> Shapes = new Dictionary<string, EnvoyShape>
    {
        ["CLUSTER"] = Shape("envoy.config.cluster.v3.Cluster", false,
            "transport_socket_matches transport_socket_matcher name alt_stat_name type cluster_type eds_cluster_config connect_timeout "
            + "per_connection_buffer_limit_bytes lb_policy load_assignment health_checks max_requests_per_connection circuit_breakers "
            + "upstream_http_protocol_options common_http_protocol_options http_protocol_options http2_protocol_options "
            + "typed_extension_protocol_options dns_refresh_rate dns_jitter dns_failure_refresh_rate respect_dns_ttl dns_lookup_family dns_resolvers "
            + "use_tcp_for_dns_lookups dns_resolution_config typed_dns_resolver_config wait_for_warm_on_init outlier_detection cleanup_interval "
            + "upstream_bind_config lb_subset_config ring_hash_lb_config maglev_lb_config original_dst_lb_config least_request_lb_config "
            + "round_robin_lb_config common_lb_config transport_socket metadata protocol_selection upstream_connection_options "
            + "close_connections_on_host_health_failure ignore_health_on_host_removal filters load_balancing_policy lrs_server "
            + "lrs_report_endpoint_metrics track_timeout_budgets upstream_config track_cluster_stats preconnect_policy "
            + "connection_pool_per_downstream_connection "),
        ["LISTENER"] = Shape("envoy.config.listener.v3.Listener", false,
            "name address additional_addresses stat_prefix filter_chains fcds_config filter_chain_matcher use_original_dst default_filter_chain "
            + "per_connection_buffer_limit_bytes metadata deprecated_v1 drain_type listener_filters listener_filters_timeout "
            + "continue_on_listener_filters_timeout transparent freebind socket_options tcp_fast_open_queue_length traffic_direction "
            + "udp_listener_config api_listener connection_balance_config reuse_port enable_reuse_port access_log tcp_backlog_size "
            + "max_connections_to_accept_per_socket_event bind_to_port internal_listener enable_mptcp ignore_global_conn_limit bypass_overload_manager "
            + "tcp_keepalive "),
        ["FILTER_CHAIN"] = Shape("envoy.config.listener.v3.FilterChain", false,
            "filter_chain_match filters use_proxy_proto metadata transport_socket transport_socket_connect_timeout name "),
        ["NETWORK_FILTER"] = Shape("envoy.config.listener.v3.Filter", true,
            "name typed_config config_discovery "),
        ["LISTENER_FILTER"] = Shape("envoy.config.listener.v3.ListenerFilter", true,
            "name typed_config config_discovery filter_disabled "),
        ["ROUTE_CONFIGURATION"] = Shape("envoy.config.route.v3.RouteConfiguration", false,
            "name virtual_hosts vhds internal_only_headers response_headers_to_add response_headers_to_remove request_headers_to_add "
            + "request_headers_to_remove most_specific_header_mutations_wins validate_clusters max_direct_response_body_size_bytes "
            + "cluster_specifier_plugins request_mirror_policies ignore_port_in_host_matching vhost_header ignore_path_parameters_in_path_matching "
            + "typed_per_filter_config metadata "),
        ["VIRTUAL_HOST"] = Shape("envoy.config.route.v3.VirtualHost", false,
            "name domains routes matcher require_tls virtual_clusters rate_limits request_headers_to_add request_headers_to_remove "
            + "response_headers_to_add response_headers_to_remove cors typed_per_filter_config include_request_attempt_count "
            + "include_attempt_count_in_response retry_policy retry_policy_typed_config hedge_policy include_is_timeout_retry_header "
            + "per_request_buffer_limit_bytes request_body_buffer_limit request_mirror_policies metadata "),
        ["HTTP_ROUTE"] = Shape("envoy.config.route.v3.Route", false,
            "name match route redirect direct_response filter_action non_forwarding_action metadata decorator typed_per_filter_config "
            + "request_headers_to_add request_headers_to_remove response_headers_to_add response_headers_to_remove tracing "
            + "per_request_buffer_limit_bytes stat_prefix request_body_buffer_limit "),
        ["HTTP_FILTER"] = Shape("envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter", true,
            "name typed_config config_discovery is_optional disabled "),
        ["EXTENSION_CONFIG"] = Shape("envoy.config.core.v3.TypedExtensionConfig", true,
            "name typed_config "),
        ["BOOTSTRAP"] = Shape("envoy.config.bootstrap.v3.Bootstrap", false,
            "node node_context_params static_resources dynamic_resources cluster_manager hds_config flags_path stats_sinks deferred_stat_options "
            + "stats_config stats_flush_interval stats_flush_on_admin stats_eviction_interval watchdog watchdogs tracing layered_runtime admin "
            + "overload_manager enable_dispatcher_stats header_prefix stats_server_version_override use_tcp_for_dns_lookups dns_resolution_config "
            + "typed_dns_resolver_config bootstrap_extensions fatal_actions config_sources default_config_source default_socket_interface "
            + "certificate_provider_instances inline_headers perf_tracing_file_path default_regex_engine xds_delegate_extension "
            + "xds_config_tracker_extension listener_manager application_log_config grpc_async_client_manager_config memory_allocator_manager "),
    }.ToFrozenDictionary();

    /// <returns>Null when nothing can be patched under that name.</returns>
    public static EnvoyShape? Of(string applyTo) => Shapes.GetValueOrDefault(applyTo);

    /// <summary>Envoy's current packages end in v3, v3alpha, or carry no version; v2 is gone.</summary>
    public static bool KnowsPackageOf(string type)
    {
        var parts = type.Split('.');
        if (parts.Any(p => p.StartsWith("v2", StringComparison.Ordinal) && (p.Length == 2 || p is "v2alpha" or "v2alpha1" or "v2alpha2"))) return false;
        return parts.Length > 2 && parts[1] is "config" or "extensions" or "type" or "service" or "data" or "admin" or "watchdog" or "annotations";
    }

    /// <summary>Both spellings are taken: statPrefix is stat_prefix.</summary>
    public static string Snake(string name) =>
        string.Concat(name.Select(c => char.IsAsciiLetterUpper(c) ? $"_{char.ToLowerInvariant(c)}" : $"{c}"));

    private static EnvoyShape Shape(string name, bool needsTypedConfig, string fields) => new(name, needsTypedConfig, fields.Split(' ', StringSplitOptions.RemoveEmptyEntries).ToFrozenSet());
}

internal sealed record EnvoyShape(string Name, bool NeedsTypedConfig, FrozenSet<string> Fields);
