using System.Globalization;

namespace Mesh.Model.Validation.Rules;

/// <summary>A retry policy, of a VirtualService or of the whole mesh.</summary>
internal static class Retries
{
    private static readonly HashSet<string> Conditions =
    [
        "5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "retriable-4xx", "refused-stream", "retriable-status-codes", "retriable-headers",
        "envoy-ratelimited", "http3-post-connect-failure", "cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable",
    ];

    public static void Check(Message? retries, Report report, string prefix = "")
    {
        if (retries is null) return;

        var attempts = retries.Number("attempts");
        if (attempts < 0) report.Error($"{prefix}attempts cannot be negative", retries.At("attempts"));
        if (attempts == 0 && (retries.Has("perTryTimeout") || retries.Has("retryOn") || retries.Has("retryRemoteLocalities")))
            report.Error($"{prefix}http retry policy configured when attempts are set to 0 (disabled)", retries.Source);
        Duration("perTryTimeout");
        if (retries.Has("retryOn"))
            foreach (var condition in retries.Text("retryOn").Split(','))
                if (!Conditions.Contains(condition) && !IsStatus(condition)) report.Error($"{prefix}\"{condition}\" is not a valid retryOn policy", retries.At("retryOn"));
        Duration("backoff");

        void Duration(string field)
        {
            if (retries.Duration(field) is { } duration && Names.Duration(duration) is { } problem) report.Error(prefix + problem, retries.At(field));
        }
    }

    /// <summary>A status code that HTTP knows by name.</summary>
    private static bool IsStatus(string text) =>
        int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var code) && code is
            (>= 100 and <= 103) or (>= 200 and <= 208) or 226 or (>= 300 and <= 305) or 307 or 308
            or (>= 400 and <= 418) or (>= 421 and <= 426) or 428 or 429 or 431 or 451 or (>= 500 and <= 508) or 510 or 511;
}
