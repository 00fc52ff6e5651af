using Mesh.Http;
using Mesh.Proxy.Config;

namespace Mesh.Proxy.Http;

/// <summary>One spelling for every path, before anything is decided by it, as the listener's settings want it.</summary>
internal static class PathRules
{
    /// <returns>False when the path cannot be given one meaning.</returns>
    public static bool TryNormalize(Exchange exchange)
    {
        var settings = exchange.Settings;
        var rules = new PathNormalization(settings.NormalizePath, settings.MergeSlashes, settings.EscapedSlashes switch
        {
            Config.EscapedSlashes.RejectRequest => Mesh.Http.EscapedSlashes.Refuse,
            Config.EscapedSlashes.UnescapeAndRedirect => Mesh.Http.EscapedSlashes.UnescapeAndRedirect,
            Config.EscapedSlashes.UnescapeAndForward => Mesh.Http.EscapedSlashes.UnescapeAndForward,
            _ => Mesh.Http.EscapedSlashes.Keep,
        });
        return rules.Apply(exchange.Request) != PathOutcome.Refused;
    }
}
