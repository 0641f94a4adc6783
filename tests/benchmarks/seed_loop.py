"""The naive scripts that labs copy into notebooks, written as they are usually written: the baseline of `make bench`.

Nothing here is clever on purpose. The frozen backbone runs in every epoch, everything is float32 and NCHW, texts are padded
to 512 tokens, the teacher runs at every step, episodes are a Python loop.
"""

import torch
import torch.nn.functional as functional
from torch import nn
from torch.utils.data import DataLoader


def freeze_all_but(model, words):
    """Freeze by name, as the notebooks do: a squeeze-excite layer called `fc` stays trainable."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad = any(word in name for word in words)


def train_vision(model, train_set, validation_set, epochs=20, lr=1e-4, batch_size=32):
    """Fine-tune with AdamW and a cosine schedule; the accuracy of each epoch, and no best weights.

    Parameters
    ----------
    model : Module, images (n, 3, side, side) -> logits (n, classes)
    train_set, validation_set : datasets of (image, label)

    Returns
    -------
    list of dict with epoch, train_loss, val_acc
    """
    train = DataLoader(train_set, batch_size=batch_size, shuffle=True)
    validation = DataLoader(validation_set, batch_size=batch_size)
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=lr)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    criterion = nn.CrossEntropyLoss()
    history = []
    for epoch in range(epochs):
        model.train()
        total = 0.0
        for images, labels in train:
            optimizer.zero_grad()
            loss = criterion(model(images), labels)
            loss.backward()
            optimizer.step()
            total += loss.item()
        scheduler.step()
        logits, labels = predict_vision(model, validation)
        accuracy = (logits.argmax(1) == labels).float().mean().item()
        history.append({"epoch": epoch, "train_loss": total / len(train), "val_acc": accuracy})
    return history


@torch.no_grad()
def predict_vision(model, loader):
    """Logits and labels of every sample of a DataLoader."""
    model.eval()
    pairs = [(model(images), labels) for images, labels in loader]
    return torch.cat([logits for logits, _ in pairs]), torch.cat([labels for _, labels in pairs])


def distil(teacher, student, train_set, epochs=20, temperature=4.0, alpha=0.7, lr=1e-3, batch_size=32):
    """Knowledge distillation with the teacher run at every step; the loss of each step."""
    loader = DataLoader(train_set, batch_size=batch_size, shuffle=True)
    optimizer = torch.optim.AdamW(student.parameters(), lr=lr)
    teacher.eval()
    losses = []
    for _ in range(epochs):
        student.train()
        for images, labels in loader:
            with torch.no_grad():
                teacher_logits = teacher(images)
            logits = student(images)
            soft = functional.kl_div(
                functional.log_softmax(logits / temperature, dim=1),
                functional.softmax(teacher_logits / temperature, dim=1),
                reduction="batchmean",
            ) * (temperature**2)
            loss = alpha * soft + (1 - alpha) * functional.cross_entropy(logits, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses


def prototypical(support, support_labels, query):
    """Prototypes per class and Euclidean distances of one episode: predictions and confidences.

    Parameters
    ----------
    support : Tensor, shape (ways * shots, width); support_labels : int64, shape (ways * shots,)
    query : Tensor, shape (queries, width)
    """
    classes = torch.unique(support_labels)
    prototypes = torch.stack([support[support_labels == label].mean(0) for label in classes])
    distances = torch.cdist(query, prototypes)
    confidence = torch.exp(-distances).max(1).values
    return classes[distances.argmin(1)], confidence
