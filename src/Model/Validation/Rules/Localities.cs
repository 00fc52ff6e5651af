namespace Mesh.Model.Validation.Rules;

/// <summary>Localities written as region/zone/subzone, the last perhaps a star: do any two overlap?</summary>
internal static class Localities
{
    public static string? Problem(IEnumerable<string> localities)
    {
        var regions = new Dictionary<string, Dictionary<string, HashSet<string>>>();
        foreach (var locality in localities)
        {
            var stars = locality.Count(c => c == '*');
            if (stars > 1 || stars == 1 && !locality.EndsWith('*')) return $"locality {locality} wildcard '*' number can not exceed 1 and must be in the end";
            if (regions.ContainsKey("*")) return Overlaps(locality);

            var parts = locality.Split('/', 3);
            if (parts.Any(p => p.Length == 0)) return $"locality {locality} must not contain empty region/zone/subzone info";
            if (!Add(regions, parts)) return Overlaps(locality);
        }
        return null;
    }

    private static bool Add(Dictionary<string, Dictionary<string, HashSet<string>>> regions, string[] parts)
    {
        var isNew = !regions.TryGetValue(parts[0], out var zones);
        if (isNew) regions[parts[0]] = zones = [];
        if (parts.Length == 1)
        {
            zones!["*"] = ["*"];
            return isNew;
        }
        if (zones!.ContainsKey("*")) return false;

        var isNewZone = !zones.TryGetValue(parts[1], out var subzones);
        if (isNewZone) zones[parts[1]] = subzones = [];
        if (parts.Length == 2)
        {
            subzones!.Add("*");
            return isNewZone;
        }
        return !subzones!.Contains("*") && subzones.Add(parts[2]);
    }

    private static string Overlaps(string locality) => $"locality {locality} overlap with previous specified ones";
}
