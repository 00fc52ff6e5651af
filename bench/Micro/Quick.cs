using System.Diagnostics;
using System.Reflection;
using BenchmarkDotNet.Attributes;

namespace Mesh.Bench;

/// <summary>A first impression without waiting: the best of many short batches, and the bytes that one operation allocates (exact).</summary>
internal static class Quick
{
    private const int Rounds = 7;
    private const double RoundMs = 60;
    private const int BatchCalls = 100;

    public static int Run(Assembly assembly, string filter, TextWriter output)
    {
        output.WriteLine($"{"benchmark",-60} {"ns/op",10} {"B/op",8}");
        foreach (var type in assembly.GetTypes().OrderBy(t => t.Name))
        {
            foreach (var method in type.GetMethods().Where(m => m.GetCustomAttribute<BenchmarkAttribute>() is not null))
            {
                var name = $"{type.Name}.{method.Name}";
                if (!name.Contains(filter, StringComparison.OrdinalIgnoreCase)) continue;

                var instance = Activator.CreateInstance(type)!;
                foreach (var setup in type.GetMethods().Where(m => m.GetCustomAttribute<GlobalSetupAttribute>() is not null)) setup.Invoke(instance, null);
                var perCall = method.GetCustomAttribute<BenchmarkAttribute>()!.OperationsPerInvoke;
                var (nanoseconds, bytes) = Measure(ToAction(instance, method));
                output.WriteLine($"{name,-60} {nanoseconds / perCall,10:F1} {bytes / perCall,8}");
            }
        }

        return 0;
    }

    private static Action ToAction(object instance, MethodInfo method)
    {
        if (method.ReturnType == typeof(void)) return method.CreateDelegate<Action>(instance);

        var call = method.CreateDelegate<Func<int>>(instance);
        return () => call();
    }

    private static (double Nanoseconds, long Bytes) Measure(Action action)
    {
        // Long calls are not repeated for ever.
        var warm = Stopwatch.StartNew();
        for (var i = 0; i < 2_000 && warm.Elapsed.TotalSeconds < 3; i++) action();
        var best = double.MaxValue;
        // A batch is short, so that some run undisturbed even where the processor is shared with much else.
        var whole = Stopwatch.StartNew();
        while (whole.Elapsed.TotalMilliseconds < Rounds * RoundMs)
        {
            var batch = Stopwatch.StartNew();
            for (var i = 0; i < BatchCalls; i++) action();
            best = Math.Min(best, batch.Elapsed.TotalNanoseconds / BatchCalls);
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1_000; i++) action();
        return (best, (GC.GetAllocatedBytesForCurrentThread() - before) / 1_000);
    }
}
