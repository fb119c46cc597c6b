"""Where to compute."""

import torch

from regrow.errors import UserError


def check_device(device: str) -> None:
    """Make sure that tensors can be made on a device such as ``cpu`` or ``cuda:1``.

    Raises
    ------
    UserError
        No such device here, or an installation of PyTorch that cannot use it.
    """
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise UserError(
            f"the device '{device}' cannot be used here ({reason}): set device: cpu, or mend the driver or PyTorch"
        ) from error
