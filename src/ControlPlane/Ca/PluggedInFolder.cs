namespace Mesh.ControlPlane.Ca;

/// <summary>
/// Watches the folder of plugged-in certificates and takes up what is put there, without a restart. What does not fit together is
/// refused with its reason, and the signer in use goes on.
/// </summary>
internal sealed class PluggedInFolder(CertificateAuthority authority, Options options, TimeProvider time, ILogger<PluggedInFolder> log)
{
    // Kubernetes swaps a mounted Secret's files by a link, which file watches do not see reliably; ten seconds is soon enough for a certificate.
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(10);

    private string? lastProblem;

    public async Task WatchAsync(CancellationToken cancellation)
    {
        if (options.CaFolder is not { } folder) return;

        using var timer = new PeriodicTimer(LookEvery, time);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellation)) Look(folder);
        }
        catch (OperationCanceledException)
        {
            log.LogDebug("no longer watching {Folder}", folder);
        }
    }

    /// <returns>True when another signer is in use now.</returns>
    internal bool Look(string folder)
    {
        try
        {
            var material = SigningMaterial.FromFolder(folder, time.GetUtcNow());
            lastProblem = null;
            if (material.Certificate.Equals(authority.Signer.Certificate) && material.Roots.SequenceEqual(authority.Signer.Roots)) return false;

            authority.Replace(material);
            log.LogInformation("signing with {Subject} until {NotAfter:u}; {Roots} roots", material.Certificate.SubjectDN, material.NotAfter, material.Roots.Count);
            return true;
        }
        catch (Exception e) when (e is IOException or InvalidDataException or UnauthorizedAccessException)
        {
            if (e.Message != lastProblem) log.LogError("the signer in use stays: {Reason}", e.Message);
            lastProblem = e.Message;
            return false;
        }
    }
}
