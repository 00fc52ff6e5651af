namespace Mesh.Proxy.Admin;

/// <summary>The pages of port 15020 (and, of readiness, 15021): what Istio's agent serves beside its proxy.</summary>
internal sealed class StatusPages(Sidecar sidecar, AdminPages admin, AppProbes probes, MergedMetrics metrics, Action<bool> quit)
{
    public async Task<AdminReply> AnswerAsync(AdminRequest request)
    {
        switch (request.Path)
        {
            case "/healthz/ready": return Ready();
            case "/stats/prometheus" or "/metrics": return AdminReply.Metrics(metrics.CollectAsync(admin.Metrics(), request));
            case "/quitquitquit":
                if (!request.IsLocal) return new(403, "Only requests from localhost are allowed\n");
                if (request.Method != "POST") return new(405, "Method Not Allowed\n");
                return AdminReply.Ok() with { Afterwards = () => quit(true) };
            case "/drain":
                if (!request.IsLocal) return new(403, "Only requests from localhost are allowed\n");
                if (request.Method != "POST") return new(405, "Method Not Allowed\n");
                sidecar.BeginDrain();
                return AdminReply.Ok();
        }
        return request.Path.StartsWith("/app-health/", StringComparison.Ordinal) || request.Path.StartsWith("/app-lifecycle/", StringComparison.Ordinal)
            ? await probes.AnswerAsync(request)
            : new(404, "404 page not found\n");
    }

    public Task<AdminReply> AnswerReadinessAsync(AdminRequest request) => Task.FromResult(request.Path == "/healthz/ready" ? Ready() : new(404, ""));

    private AdminReply Ready()
    {
        if (admin.HealthFailed) return new(503, "server is not live, current state is: DRAINING\n");

        return sidecar.NotReady() is { } why ? new(503, why + "\n") : new(200, "");
    }
}
