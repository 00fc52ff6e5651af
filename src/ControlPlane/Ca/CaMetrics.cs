using Prometheus;

namespace Mesh.ControlPlane.Ca;

/// <summary>Istio's names for what the authority counts.</summary>
internal sealed class CaMetrics(CollectorRegistry registry)
{
    private readonly IMetricFactory factory = Metrics.WithCustomRegistry(registry);

    public ICounter Requests => field ??= factory.CreateCounter("citadel_server_csr_count", "The number of CSRs received by the CA.");
    public ICounter Issued => field ??= factory.CreateCounter("citadel_server_success_cert_issuance_count", "The number of certificates issued.");
    public ICounter AuthenticationErrors => field ??= factory.CreateCounter("citadel_server_authentication_failure_count", "The number of callers that could not be identified.");
    public ICounter ParsingErrors => field ??= factory.CreateCounter("citadel_server_csr_parsing_err_count", "The number of CSRs that could not be used.");
    public ICounter SigningErrors => field ??= factory.CreateCounter("citadel_server_csr_sign_err_count", "The number of CSRs that could not be signed.");
    public IGauge RootExpiry => field ??= factory.CreateGauge("citadel_server_root_cert_expiry_timestamp", "When the root certificate ends, in seconds since 1970.");
    public IGauge ListsExpiry => field ??= factory.CreateGauge("mesh_ca_revocation_lists_expiry_timestamp", "When the first revocation list is out of date, in seconds since 1970; 0: there is none, or it is never.");
    public IGauge SignerExpiry => field ??= factory.CreateGauge("citadel_server_cert_chain_expiry_timestamp", "When the signing certificate ends, in seconds since 1970.");

    /// <summary>Shows when what the authority works with ends, now and whenever it works with other things.</summary>
    public void Follow(CertificateAuthority authority)
    {
        Show();
        authority.Replaced += Show;

        void Show()
        {
            var signer = authority.Signer;
            RootExpiry.Set(new DateTimeOffset(DateTime.SpecifyKind(signer.Root.NotAfter, DateTimeKind.Utc)).ToUnixTimeSeconds());
            SignerExpiry.Set(signer.NotAfter.ToUnixTimeSeconds());
            ListsExpiry.Set(RevocationText.NextUpdate(signer.RevocationListsPem)?.ToUnixTimeSeconds() ?? 0);
        }
    }
}
