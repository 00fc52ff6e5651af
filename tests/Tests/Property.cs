using System.Globalization;
using CsCheck;

namespace Mesh.Tests;

/// <summary>
/// Laws that hold for whatever a generator makes. The cases are the same in every run: a build that fails fails again. MESH_PROPERTY_SEED (a number) makes others,
/// MESH_PROPERTY_TIMES (a factor) more of them; a failure names the seed and the case.
/// </summary>
internal static class Property
{
    private const ulong UsualSeed = 20_260_104;

    public static ulong Seed { get; } = ulong.TryParse(Environment.GetEnvironmentVariable("MESH_PROPERTY_SEED"), CultureInfo.InvariantCulture, out var seed) ? seed : UsualSeed;

    public static int Times { get; } = int.TryParse(Environment.GetEnvironmentVariable("MESH_PROPERTY_TIMES"), CultureInfo.InvariantCulture, out var times) ? times : 1;

    public static void Holds<T>(this Gen<T> values, Action<T> law, int cases)
    {
        var random = new PCG(1, Seed);
        for (var i = 0L; i < (long)cases * Times; i++)
        {
            var value = values.Generate(random, null, out _);
            try
            {
                law(value);
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                throw new InvalidOperationException($"case {i} of MESH_PROPERTY_SEED={Seed} breaks the law: {Check.Print(value)}\n{e.Message}", e);
            }
        }
    }

    public static void Holds<T1, T2>(this Gen<(T1, T2)> values, Action<T1, T2> law, int cases) => values.Holds(value => law(value.Item1, value.Item2), cases);

    public static void Holds<T1, T2, T3>(this Gen<(T1, T2, T3)> values, Action<T1, T2, T3> law, int cases) => values.Holds(value => law(value.Item1, value.Item2, value.Item3), cases);
}
