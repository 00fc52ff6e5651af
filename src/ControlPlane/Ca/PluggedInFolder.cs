namespace Mesh.ControlPlane.Ca;

/// <summary>
/// Watches the folder of plugged-in certificates and takes up what is put there, without a restart. What does not fit together is
/// refused with its reason, and the signer in use goes on.
/// </summary>
internal sealed class PluggedInFolder(CertificateAuthority authority, RootRotation rotation, Options options, TimeProvider time, ILogger<PluggedInFolder> log)
{
    // Kubernetes swaps a mounted Secret's files by a link, which file watches do not see reliably; four small files are quickly read.
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(2);

    private string? lastProblem;

    /// <summary>Why what lies in the folder is not in use; null when it is.</summary>
    public string? Problem => lastProblem;

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
            var present = authority.Signer;
            if (material.Certificate.Equals(present.Certificate) && material.Roots.SequenceEqual(present.Roots) && material.RevocationListsPem == present.RevocationListsPem)
            {
                lastProblem = null;
                return false;
            }
            if (rotation.Objection(material) is { } objection) throw new InvalidDataException(objection);

            lastProblem = null;
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
