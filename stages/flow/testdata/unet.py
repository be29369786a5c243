"""The U-Net of stages/flow in PyTorch, and what it computes for a small case, to hold the Go program to.

    python3 unet.py golden-unet.safetensors 4 8
    python3 unet.py golden-unet-odd.safetensors 3 5

for latents of 4x8 and 3x5, on Debian with python3-torch 1.13.1. Tensors: param.*, input.*, output.velocity,
loss, grad.* (of the mean squared error), and losses: those before each of ten steps of AdamW (rate 1e-3, weight decay 0.01) on the same batch.
Weights and inputs come from fill(), which is the function Fill of internal/ops/optest.
"""
import json
import math
import struct
import sys
import zlib

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

CHANNELS, WIDTH, LEVELS, BLOCKS, HEADS, CLASSES, CONTEXT, BATCH = 3, 8, 3, 1, 2, 5, 3, 3


def group_norm(channels):
    groups = 1
    while groups < 16 and channels % (4 * groups) == 0:
        groups *= 2
    return nn.GroupNorm(groups, channels)


class Attention(nn.Module):
    def __init__(self, width, context):
        super().__init__()
        self.q, self.kv, self.o = nn.Linear(width, width), nn.Linear(context, 2 * width), nn.Linear(width, width)

    def forward(self, x, context):
        def heads(a):
            return a.unflatten(-1, (HEADS, -1)).transpose(1, 2)

        keys, values = self.kv(context).chunk(2, -1)
        q, k, v = heads(self.q(x)), heads(keys), heads(values)
        weights = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(-1)
        return self.o((weights @ v).transpose(1, 2).flatten(2))


class ResBlock(nn.Module):
    def __init__(self, c_in, c_out):
        super().__init__()
        self.norm1, self.conv1 = group_norm(c_in), nn.Conv2d(c_in, c_out, 3, padding=1)
        self.mod = nn.Linear(WIDTH, 2 * c_out)
        self.norm2, self.conv2 = group_norm(c_out), nn.Conv2d(c_out, c_out, 3, padding=1)
        self.skip = nn.Conv2d(c_in, c_out, 1) if c_in != c_out else nn.Identity()

    def forward(self, x, time):
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.mod(time)[:, :, None, None].chunk(2, 1)
        return self.skip(x) + self.conv2(F.silu(self.norm2(h) * (1 + scale) + shift))


class AttnBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.norm = group_norm(channels)
        self.self_attn, self.cross_attn = Attention(channels, channels), Attention(channels, WIDTH)
        self.out = nn.Linear(channels, channels)

    def forward(self, x, context):
        h = self.norm(x).flatten(2).transpose(1, 2)
        h = h + self.self_attn(h, h)
        h = h + self.cross_attn(F.layer_norm(h, h.shape[-1:]), context)
        return x + self.out(h).transpose(1, 2).unflatten(2, x.shape[2:])


class Block(nn.Module):
    def __init__(self, c_in, c_out):
        super().__init__()
        self.res, self.attn = ResBlock(c_in, c_out), AttnBlock(c_out)

    def forward(self, x, time, context):
        return self.attn(self.res(x, time), context)


class Level(nn.Module):
    def __init__(self, blocks, down=None, up=None):
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        if down:
            self.down = down
        if up:
            self.up = up


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        channels = [WIDTH // 2] + [WIDTH] * (LEVELS - 1)
        c, skips, down, up = channels[0], [channels[0]], [], []
        for i, out in enumerate(channels):
            blocks = []
            for _ in range(BLOCKS):
                blocks.append(Block(c, out))
                c = out
                skips.append(c)
            last = i == LEVELS - 1
            down.append(Level(blocks, down=None if last else nn.Conv2d(c, c, 3, stride=2, padding=1)))
            skips += [] if last else [c]
        self.inp = nn.Conv2d(CHANNELS, channels[0], 3, padding=1)
        self.time = nn.Sequential(nn.Linear(256, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH))
        self.cond = nn.Embedding(CLASSES + 1, CONTEXT * WIDTH)
        self.down = nn.ModuleList(down)
        self.mid = nn.ModuleList([Block(c, c), nn.Module()])
        self.mid[1].res = ResBlock(c, c)
        for i, out in enumerate(reversed(channels)):
            blocks = []
            for _ in range(BLOCKS + 1):
                blocks.append(Block(c + skips.pop(), out))
                c = out
            up.append(Level(blocks, up=None if i == LEVELS - 1 else nn.Conv2d(c, c, 3, padding=1)))
        self.up = nn.ModuleList(up)
        self.norm, self.out = group_norm(c), nn.Conv2d(c, CHANNELS, 3, padding=1)

    def forward(self, z, t, label, size):
        frequencies = torch.exp(-math.log(10000) * torch.arange(128, dtype=torch.float64) / 128).float()
        angles = 1000 * t[:, None] * frequencies
        time = F.silu(self.time(torch.cat([angles.sin(), angles.cos()], -1)))
        context = self.cond(label).unflatten(-1, (CONTEXT, WIDTH))
        x = self.inp(z.transpose(1, 2).unflatten(2, size))
        skips = [x]
        for level in self.down:
            for block in level.blocks:
                x = block(x, time, context)
                skips.append(x)
            if hasattr(level, "down"):
                x = level.down(x)
                skips.append(x)
        x = self.mid[1].res(self.mid[0](x, time, context), time)
        for level in self.up:
            for block in level.blocks:
                x = block(torch.cat([x, skips.pop()], 1), time, context)
            if hasattr(level, "up"):
                rows, columns = skips[-1].shape[2:]  # half of an odd side was rounded up
                x = level.up(F.interpolate(x, scale_factor=2, mode="nearest"))[:, :, :rows, :columns]
        return self.out(F.silu(self.norm(x))).flatten(2).transpose(1, 2)


def fill(name, *shape):
    """Numbers in [-1, 1): the upper 24 bits of SplitMix64 at (CRC-32 of the name) 2^32 + index."""
    index = np.arange(math.prod(shape), dtype=np.uint64) + (np.uint64(zlib.crc32(name.encode())) << np.uint64(32))
    with np.errstate(over="ignore"):
        z = index * np.uint64(0x9E3779B97F4A7C15)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            z = (z ^ (z >> np.uint64(shift))) * np.uint64(factor)
        z ^= z >> np.uint64(31)
    unit = (z >> np.uint64(40)).astype(np.float64) / 2**23 - 1
    return torch.tensor(unit.astype(np.float32).reshape(shape))


def first_values(name, p):
    """Matrices and kernels by their fan in, vectors a tenth, scales of norms around one, class tokens as they are."""
    u = fill(name, *p.shape)
    if name == "cond.weight":
        return u
    if p.dim() > 1:
        return u / math.sqrt(p[0].numel())
    return u / 10 + (1 if name.endswith("weight") else 0)


def write(path, tensors):
    header, data = {}, b""
    for name, tensor in tensors.items():
        a = tensor.detach().contiguous().numpy()
        header[name] = {"dtype": "F32", "shape": list(a.shape), "data_offsets": [len(data), len(data) + a.nbytes]}
        data += a.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def main(path, rows, columns):
    net = UNet()
    for name, p in net.named_parameters():
        p.data = first_values(name, p)
    tokens = rows * columns
    x, eps = fill("input.x", BATCH, tokens, CHANNELS) * math.sqrt(3), fill("input.noise", BATCH, tokens, CHANNELS) * math.sqrt(3)
    t = (fill("input.t", BATCH) + 1) / 2
    label = torch.tensor([2, 4, 0])
    at = t[:, None, None]
    zt, target = (1 - at) * x + at * eps, x - eps

    velocity = net(zt, t, label, (rows, columns))
    loss = F.mse_loss(velocity, target)
    loss.backward()
    tensors = {"param." + name: p.detach().clone() for name, p in net.named_parameters()}
    tensors |= {"input.x": x, "input.noise": eps, "input.t": t, "input.label": label.float(), "output.velocity": velocity}
    tensors |= {"grad." + name: p.grad.clone() for name, p in net.named_parameters()} | {"loss": loss[None]}

    optimizer, losses = torch.optim.AdamW(net.parameters(), 1e-3, weight_decay=0.01), []
    for _ in range(10):
        optimizer.zero_grad()
        loss = F.mse_loss(net(zt, t, label, (rows, columns)), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    write(path, tensors | {"losses": torch.tensor(losses)})


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
