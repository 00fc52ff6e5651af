using System.Runtime.CompilerServices;

namespace Mesh.Net;

/// <summary>What <see cref="Loop.SwitchTo"/> gives to await.</summary>
public readonly struct LoopSwitch(Loop loop) : ICriticalNotifyCompletion
{
    public bool IsCompleted => false;

    public LoopSwitch GetAwaiter() => this;

    public void GetResult()
    {
    }

    public void OnCompleted(Action continuation) => loop.Post(continuation);

    public void UnsafeOnCompleted(Action continuation) => loop.Post(continuation);
}
