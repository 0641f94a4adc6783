"""The solar cells of the image rows: their config entry, and the files as a notebook reads them."""

from PIL import Image
from torch.utils.data import Dataset
from torchvision import transforms

ENTRY = {
    "source": {"path": "."},
    "reader": "table",
    "modality": "image",
    "table": "labels.csv",
    "separator": "whitespace",
    "header": ["path", "probability", "type"],
    "columns": {"path": "path"},
    "targets": {"defect": {"column": "probability", "threshold": 0.5, "classes": ["intact", "defective"]}},
    "split": {"validation": 0.15, "test": 0.2},
}


class Files(Dataset):
    """Each image decoded and resized again whenever it is asked for."""

    def __init__(self, root, paths, labels, size):
        self.paths, self.labels = [root / path for path in paths], list(map(int, labels))
        self.transform = transforms.Compose(
            [transforms.Resize((size, size)), transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)]
        )

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        return self.transform(Image.open(self.paths[index]).convert("RGB")), self.labels[index]
